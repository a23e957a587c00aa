package legacytls

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
)

// The ways in which a client comes back.
const (
	byTicket = "ticket"
	byID     = "id"    // it knows no tickets
	bySSLv2  = "sslv2" // it comes once, with a hello in SSLv2 format
	byIDBare = "no extensions"
)

// A tour is some visits of one client, of which the later ones resume the
// session of the first.
type tour struct {
	version, suite uint16
	how            string // one of the ways above, or another that the client's program knows
	visits         int
	plain          bool // without an extended master secret (RFC 7627), though with extensions
	waits          bool // for the client to close first
	// config changes what is served, if it is not nil; label is the word for it.
	config func(*Config)
	label  string
}

func (tr tour) String() string {
	s := fmt.Sprintf("%s/%s/%s", tls.VersionName(tr.version), SuiteName(tr.suite), tr.how)
	if tr.label != "" {
		s += "/" + tr.label
	}
	return s
}

// bare reports whether the client sends no extensions.
func (tr tour) bare() bool { return tr.how == bySSLv2 || tr.how == byIDBare }

// number is the version as in "1.0".
func (tr tour) number() string { return strings.TrimPrefix(tls.VersionName(tr.version), "TLS ") }

var peerVersions = []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12}

// tours are those through every version and every suite that a client has.
func tours(has func(s *suite) bool, visits int, hows ...string) []tour {
	var all []tour
	for _, version := range peerVersions {
		for i := range suites {
			s := &suites[i]
			if s.tls12 && version < tls.VersionTLS12 || !has(s) {
				continue
			}
			for _, how := range hows {
				all = append(all, tour{version: version, suite: s.id, how: how, visits: visits})
			}
		}
	}
	return all
}

func anySuite(*suite) bool { return true }

func notDES(s *suite) bool { return s.strength != weakDES }

func (s *suite) isAES() bool { return strings.Contains(s.name, "_AES_") }

func (s *suite) isChaCha20() bool { return strings.Contains(s.name, "_CHACHA20_") }

// optionTours are tours through what an operator can set, at TLS 1.0.
func optionTours(how string, visits int) []tour {
	return []tour{
		{
			version: tls.VersionTLS10, suite: tls.TLS_RSA_WITH_AES_128_CBC_SHA, how: how, visits: visits,
			label: "split", config: func(c *Config) { c.SplitRecords = true },
		},
		{
			version: tls.VersionTLS10, suite: dheAES128, how: how, visits: visits,
			label: "DHE of 2048 bits", config: func(c *Config) { c.DHBits = 2048 },
		},
	}
}

// sha1Tour is one to a certificate that is signed with SHA-1, for clients that
// verify it still.
func sha1Tour(t *testing.T, how string, visits int) tour {
	t.Helper()
	sha1 := &peerPKIOf(t).sha1
	return tour{
		version: tls.VersionTLS10, suite: tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, how: how, visits: visits,
		label: "SHA-1", config: func(c *Config) { c.Certificate = sha1 },
	}
}

// served is a tour that has begun.
type served struct {
	tour
	server        *peerServer
	request, body []byte
}

// serve starts the server of a tour. Who comes back by ticket finds that no
// session ID was kept.
func (tr tour) serve(t *testing.T) *served {
	t.Helper()
	ids, size := 100, mediumRequest
	switch {
	case tr.how == byTicket:
		ids, size = 0, smallRequest
	case strings.Contains(SuiteName(tr.suite), "_AES_128_"):
		size = largeRequest
	}
	config := &Config{
		Certificate: &peerPKIOf(t).sha256, Suites: LegacySuites{RC4: true, DES: true}, ServesTLS13: true,
		Sessions: NewSessions(secretKeys("secret of the tests"), ids),
	}
	if suite := suiteByID(tr.suite); suite != nil && suite.ecdsa {
		config.Certificate = &peerPKIOf(t).ecdsa
	}
	if tr.config != nil {
		tr.config(config)
	}
	s := &served{tour: tr, server: &peerServer{config: config, waits: tr.waits}}
	s.request, s.body = newRequest(t, size)
	s.server.start(t)
	return s
}

// answer is what the client gets.
func (s *served) answer() []byte { return append([]byte(answerHead), s.body...) }

// check checks what the server saw of a tour; the last visits brought the
// request.
func (s *served) check(t *testing.T, requests int) {
	t.Helper()
	for i := range s.visits {
		v := s.server.next(t)
		if v.err != nil {
			t.Errorf("visit %d ended with %v", i, v.err)
		}
		want := v.state
		want.Version, want.CipherSuite, want.DidResume = s.version, s.suite, i > 0
		want.SSLv2Hello, want.ExtendedMasterSecret = s.how == bySSLv2, !s.plain && !s.bare()
		if want.ServerName = serverName; s.bare() {
			want.ServerName = ""
		}
		if v.state != want {
			t.Errorf("visit %d was %+v, want %+v", i, v.state, want)
		}
		if i >= s.visits-requests && !bytes.Equal(v.body, s.body) {
			t.Errorf("visit %d brought %d bytes of a request, want %d", i, len(v.body), len(s.body))
		}
	}
	if (s.how == byID || s.how == byIDBare) && len(s.server.config.Sessions.byID) == 0 {
		t.Error("no session was kept by its ID")
	}
}
