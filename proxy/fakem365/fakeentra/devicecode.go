package fakeentra

import (
	"errors"
	"net/http"
	"strings"
)

// A deviceCode is one that was given out.
type deviceCode struct {
	application, code, userCode string
	user                        string // who has approved it; empty while nobody has
	refused                     int    // the code that it is refused with; zero while it is pending
	slow                        bool   // the next request for a token is too early
}

// deviceCode gives a device code out (RFC 8628).
func (s web) deviceCode(w http.ResponseWriter, r *http.Request) {
	if !s.knows(w, r) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if code := s.Trouble().Code; code != 0 || r.ParseForm() != nil {
		s.refuse(w, code)
		return
	}
	application, known := s.application(r.PostForm.Get("client_id"))
	if !known {
		s.refuse(w, codeApplicationUnknown)
		return
	}
	code := &deviceCode{application: application.ID, code: random(), userCode: strings.ToUpper(random()[:9])}
	s.mu.Lock()
	s.codes[code.code] = code
	s.mu.Unlock()
	const where = "https://microsoft.com/devicelogin"
	answer(w, http.StatusOK, map[string]any{
		"user_code": code.userCode, "device_code": code.code, "verification_uri": where, "expires_in": 900, "interval": s.options.Interval,
		"message": "To sign in, use a web browser to open the page " + where + " and enter the code " + code.userCode +
			" to authenticate.",
	})
}

// byDeviceCode gives a token to a device whose code somebody has approved.
func (s web) byDeviceCode(w http.ResponseWriter, r *http.Request, a Application) {
	if !a.Public {
		s.refuse(w, codeCredentialMissing)
		return
	}
	s.mu.Lock()
	code := s.codes[r.PostForm.Get("device_code")]
	user, refused := "", codeCodeUnknown
	if code != nil && code.application == a.ID {
		user, refused = code.user, code.refused
		switch {
		case code.slow:
			code.slow, refused = false, codeSlowDown
		case user != "":
			delete(s.codes, code.code)
		case refused == 0:
			refused = codePending
		}
	}
	s.mu.Unlock()
	if refused != 0 {
		s.refuse(w, refused)
		return
	}
	s.issueUser(w, r, a, user)
}

// Approve signs user in with a user code.
func (s *Server) Approve(userCode, user string) error {
	return s.decide(userCode, func(c *deviceCode) { c.user = user })
}

// Decline says no to a user code.
func (s *Server) Decline(userCode string) error {
	return s.decide(userCode, func(c *deviceCode) { c.refused = codeDeclined })
}

// Expire ends the time of a user code.
func (s *Server) Expire(userCode string) error {
	return s.decide(userCode, func(c *deviceCode) { c.refused = codeCodeExpired })
}

// SlowDown answers the next request for a token of a user code that it came too
// early.
func (s *Server) SlowDown(userCode string) error {
	return s.decide(userCode, func(c *deviceCode) { c.slow = true })
}

func (s *Server) decide(userCode string, change func(*deviceCode)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, code := range s.codes {
		if code.userCode == userCode {
			change(code)
			return nil
		}
	}
	return errors.New("the fake Entra has no such user code")
}
