// Package sasl has the SASL mechanisms (RFC 4422) of old mail clients, from the
// server's side, and the one that Microsoft 365 takes, from the client's.
package sasl

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
)

// The mechanisms that a client may sign in by.
const (
	Plain   = "PLAIN"    // RFC 4616
	Login   = "LOGIN"    // draft-murchison-sasl-login
	CRAMMD5 = "CRAM-MD5" // RFC 2195
)

// Shown returns the name of a mechanism for an error, if it is one that clients are known
// to have. Any other word may be a part of a password.
func Shown(mechanism string) string {
	switch mechanism = strings.ToUpper(mechanism); mechanism {
	case Plain, Login, CRAMMD5, "DIGEST-MD5", "NTLM", "GSSAPI", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-1", "SCRAM-SHA-256", "EXTERNAL":
		return mechanism
	}
	return "of another name"
}

// A Credential is what a client has typed. It is a secret.
type Credential struct {
	Login, Password string
	// Challenge and Digest stand in the place of the password of CRAM-MD5; the
	// digest is in hexadecimal.
	Challenge, Digest string
}

// String hides the credential.
func (Credential) String() string { return "[credential]" }

// GoString hides the credential.
func (Credential) GoString() string { return "[credential]" }

// An Exchange is the server's side of one sign-in.
type Exchange struct {
	// Credential is complete when Next has said so.
	Credential Credential

	mechanism string
	step      int
}

// NewExchange begins an exchange; it is nil for a mechanism that is not known.
func NewExchange(mechanism string) *Exchange {
	switch mechanism = strings.ToUpper(mechanism); mechanism {
	case Plain, Login, CRAMMD5:
		return &Exchange{mechanism: mechanism}
	}
	return nil
}

// ErrMalformed is the error for a response that the mechanism does not permit.
var ErrMalformed = errors.New("the response is not one of its mechanism")

// Next takes in the client's response, without its encoding. It returns the next
// challenge, or done when the credential is complete. It is called with nil first if
// the client has sent no initial response.
func (e *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	e.step++
	switch e.mechanism {
	case Plain:
		return e.nextPlain(response)
	case Login:
		return e.nextLogin(response)
	}
	return e.nextCRAM(response)
}

func (e *Exchange) nextPlain(response []byte) ([]byte, bool, error) {
	if response == nil && e.step == 1 {
		return []byte{}, false, nil
	}
	// RFC 4616 section 2: authorization identity, NUL, login, NUL, password.
	_, rest, named := bytes.Cut(response, []byte{0})
	login, password, complete := bytes.Cut(rest, []byte{0})
	if !named || !complete || bytes.IndexByte(password, 0) >= 0 {
		return nil, false, ErrMalformed
	}
	e.Credential.Login, e.Credential.Password = string(login), string(password)
	return nil, true, nil
}

// nextLogin takes the login and the password, in turn; the login may come with the
// command.
func (e *Exchange) nextLogin(response []byte) ([]byte, bool, error) {
	switch {
	case response == nil && e.step == 1:
		e.step = 0
		return []byte("Username:"), false, nil
	case e.step == 1:
		e.Credential.Login = string(response)
		return []byte("Password:"), false, nil
	}
	e.Credential.Password = string(response)
	return nil, true, nil
}

// nextCRAM sends a challenge that is never sent again, and takes the login and the
// digest. There is no initial response.
func (e *Exchange) nextCRAM(response []byte) ([]byte, bool, error) {
	if e.step == 1 {
		if response != nil {
			return nil, false, ErrMalformed
		}
		e.Credential.Challenge = "<" + rand.Text() + "@tlslift>"
		return []byte(e.Credential.Challenge), false, nil
	}
	// A login may have blanks; the digest has none.
	at := bytes.LastIndexByte(response, ' ')
	if at < 0 {
		return nil, false, ErrMalformed
	}
	e.Credential.Login, e.Credential.Digest = string(response[:at]), string(response[at+1:])
	return nil, true, nil
}

// Decode decodes what stands for a response on a line: base64 (RFC 4648 section 4),
// and = for one of no bytes (RFC 4954 section 4). Some clients leave the padding out.
func Decode(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	response, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, ErrMalformed
	}
	return response, nil
}

// Encode encodes a challenge or a response for a line.
func Encode(p []byte) string { return base64.StdEncoding.EncodeToString(p) }

// encodedWord is what a token, or a response with one, can be a part of.
var encodedWord = regexp.MustCompile(`[A-Za-z0-9+/=_.-]{12,}`)

// HideXOAUTH2 returns a text of a server, as it may be shown: some repeat what was sent,
// in whole or in part.
func HideXOAUTH2(text, mailbox, token string) string {
	response := XOAUTH2(mailbox, token)
	return encodedWord.ReplaceAllStringFunc(text, func(word string) string {
		part := strings.Trim(word, ".=")
		if part != "" && (strings.Contains(response, part) || strings.Contains(token, part)) {
			return "[token]"
		}
		return word
	})
}

// XOAUTH2 returns the response of the mechanism XOAUTH2 for a mailbox, encoded for a
// line. It is a secret.
func XOAUTH2(mailbox, token string) string {
	return Encode([]byte("user=" + mailbox + "\x01auth=Bearer " + token + "\x01\x01"))
}
