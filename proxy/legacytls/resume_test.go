package legacytls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/tls"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// noon is when sessions are made.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// at is a configuration that resumes, at a time.
func at(t testing.TB, sessions *Sessions, now time.Time) *Config {
	config := newConfig(t)
	config.Sessions, config.Binding = sessions, "smtp.office365.com:587"
	config.Now = func() time.Time { return now }
	return config
}

func newSessions() *Sessions { return NewSessions(secretKeys("a secret of all replicas"), 10) }

// secretKeys are ticket keys that follow from a secret.
type secretKeys string

func (s secretKeys) aead() cipher.AEAD {
	sum := sha256.Sum256([]byte(s))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func (s secretKeys) Seal(plain []byte) ([]byte, error) {
	return s.aead().Seal(nil, nil, plain, nil), nil
}

func (s secretKeys) Open(ticket []byte) []byte {
	plain, err := s.aead().Open(nil, nil, ticket, nil)
	if err != nil {
		return nil
	}
	return plain
}

// A visit is a connection from the beginning to the end, which may resume the
// session of another one.
func visit(t testing.TB, config *Config, h hello, before *script) (c *script, resumed bool) {
	t.Helper()
	c = begin(t, config, h)
	if before != nil {
		c.master = before.master
	}
	resumed = c.connect()
	c.echo([]byte("hello, again"), 5)
	if c.err != nil {
		t.Fatal(c.err)
	}
	if state := c.agreed(); state.DidResume != resumed {
		t.Errorf("the server's state is %+v, resumed: %v", state, resumed)
	}
	c.close()
	return c, resumed
}

// A memory is how a client keeps its session.
type memory struct {
	name string
	// first and again are what its hello has; again is given the first
	// connection.
	first func(h *hello)
	again func(h *hello, c *script)
}

func setTicket(h *hello, ticket []byte) {
	h.extensions = append(slices.Clone(h.extensions), extension{extSessionTicket, ticket})
}

var memories = []memory{
	{"by ID", func(*hello) {}, func(h *hello, c *script) { h.session = c.answer.session }},
	{"by ticket", func(h *hello) { setTicket(h, nil) }, func(h *hello, c *script) { setTicket(h, c.answer.ticket) }},
	{"by ticket, with an ID of the client", func(h *hello) { setTicket(h, nil) }, func(h *hello, c *script) {
		setTicket(h, c.answer.ticket)
		h.session = []byte("an ID, to be sent back as it is")
	}},
}

// again makes a session and tries to resume it, with other things changed.
func again(t *testing.T, m memory, h hello, configs ...*Config) (c *script, resumed bool) {
	t.Helper()
	first, second := h, h
	m.first(&first)
	before, _ := visit(t, configs[0], first, nil)
	m.again(&second, before)
	return visit(t, configs[len(configs)-1], second, before)
}

// Sessions are resumed by each means, at every version, with what was agreed.
func TestResume(t *testing.T) {
	t.Parallel()
	for _, m := range memories {
		for _, p := range protections {
			for _, extended := range []bool{false, true} {
				h := p.hello(named("mail.example"))
				if extended {
					h.extensions = append(h.extensions, extension{extExtendedMaster, nil})
				}
				config := at(t, newSessions(), noon)
				c, resumed := again(t, m, h, config)
				state := c.agreed()
				if !resumed || state.Version != p.version || state.CipherSuite != p.suite || state.ExtendedMasterSecret != extended {
					t.Errorf("%s, %s, extended=%v: resumed: %v, %+v", m.name, p.name, extended, resumed, state)
				}
				if c.answer.extensions[extServerName] != nil || (c.answer.extensions[extExtendedMaster] != nil) != extended {
					t.Errorf("%s, %s: the extensions %v are answered", m.name, p.name, slices.Sorted(maps.Keys(c.answer.extensions)))
				}
			}
		}
	}
}

// A ticket is good for every replica with the same secret, for a day after the
// full handshake, and for no other secret. An ID is good for one replica.
func TestResumeAge(t *testing.T) {
	t.Parallel()
	one, other, stranger := newSessions(), newSessions(), NewSessions(secretKeys("another secret"), 10)
	for _, row := range []struct {
		name     string
		sessions *Sessions
		later    time.Duration
		byTicket bool
		byID     bool
	}{
		{"at once", one, 0, true, true},
		{"on another replica", other, 0, true, false},
		{"on a server with other keys", stranger, 0, false, false},
		{"after a day", one, 24 * time.Hour, true, true},
		{"after a day, on another replica", other, 24 * time.Hour, true, false},
		{"after more than a day", one, 24*time.Hour + time.Second, false, false},
		{"after two days", one, 48 * time.Hour, false, false},
		{"by a clock that runs late", one, -10 * time.Minute, true, true},
		{"by a clock that is a day late", one, -25 * time.Hour, false, false},
	} {
		for _, m := range memories {
			want := row.byTicket
			if m.name == "by ID" {
				want = row.byID
			}
			if _, resumed := again(t, m, hello{}, at(t, one, noon), at(t, row.sessions, noon.Add(row.later))); resumed != want {
				t.Errorf("%s, %s: resumed: %v", m.name, row.name, resumed)
			}
		}
	}
}

// What is sealed with the same keys and is no session of ours resumes nothing.
func TestTicketOfAnotherKind(t *testing.T) {
	t.Parallel()
	sessions := newSessions()
	for _, plain := range []string{"", "x", ticketKind, "crypto/tls" + strings.Repeat("\x03", 91), strings.Repeat("\x03", 102)} {
		ticket, err := sessions.tickets.Seal([]byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		if one := sessions.open(ticket); one != nil {
			t.Errorf("a ticket of %q opens to %+v", plain, one)
		}
	}
}

// What has changed since prevents resumption, and the handshake is a full one.
func TestResumeChanged(t *testing.T) {
	t.Parallel()
	nothing := func(*Config, *hello) {}
	for name, change := range map[string]func(config *Config, h *hello){
		"nothing":            nothing,
		"the binding":        func(c *Config, _ *hello) { c.Binding = "imap.office365.com:993" },
		"no binding":         func(c *Config, _ *hello) { c.Binding = "" },
		"no sessions":        func(c *Config, _ *hello) { c.Sessions = nil },
		"RC4 is off":         func(c *Config, _ *hello) { c.Suites.RC4 = false },
		"a newer version":    func(_ *Config, h *hello) { h.version = tls.VersionTLS12 },
		"an older version":   func(_ *Config, h *hello) { h.version = tls.VersionTLS10 },
		"the newest version": func(c *Config, _ *hello) { c.MaxVersion = tls.VersionTLS10 },
		"the suite":          func(_ *Config, h *hello) { h.suites = []uint16{rsaAES128} },
		"the server name":    func(_ *Config, h *hello) { h.extensions = append([]extension{named("b.example")}, h.extensions...) },
		"more suites":        nothing,
	} {
		for _, m := range memories {
			config := at(t, newSessions(), noon)
			later := *config
			h := hello{version: tls.VersionTLS11, suites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}}
			edited := memory{first: m.first, again: func(h *hello, c *script) {
				m.again(h, c)
				h.suites = append(h.suites, rsaAES128)
				change(&later, h)
			}}
			if _, resumed := again(t, edited, h, config, &later); resumed != (name == "nothing" || name == "more suites") {
				t.Errorf("%s, %s has changed: resumed: %v", m.name, name, resumed)
			}
		}
	}
}

// The rules of RFC 7627 section 5.3.
func TestResumeExtendedMaster(t *testing.T) {
	t.Parallel()
	ems := hello{extensions: []extension{{extExtendedMaster, nil}}}
	for _, m := range memories {
		config := at(t, newSessions(), noon)
		upgraded := memory{first: m.first, again: func(h *hello, c *script) { *h = ems; m.again(h, c) }}
		if c, resumed := again(t, upgraded, hello{}, config); resumed || !c.agreed().ExtendedMasterSecret {
			t.Errorf("%s: a session without an extended master secret is resumed with one", m.name)
		}
		first, second := ems, hello{}
		m.first(&first)
		before, _ := visit(t, config, first, nil)
		m.again(&second, before)
		c := begin(t, config, second)
		c.sayHello()
		c.wantAlert(alertHandshakeFailure)
	}
}

// A garbled ticket leads to a full handshake, and to a new ticket.
func TestGarbledTicket(t *testing.T) {
	t.Parallel()
	config := at(t, newSessions(), noon)
	first := hello{extensions: []extension{{extSessionTicket, nil}}}
	before, _ := visit(t, config, first, nil)
	ticket := before.answer.ticket
	garbled := [][]byte{[]byte("x"), ticket[:15], ticket[:16], ticket[:28], ticket[:len(ticket)-1], append(slices.Clone(ticket), 0),
		make([]byte, 5000)}
	for i := 0; i < len(ticket); i += 5 {
		b := slices.Clone(ticket)
		b[i] ^= 1
		garbled = append(garbled, b)
	}
	for _, b := range garbled {
		c, resumed := visit(t, config, hello{extensions: []extension{{extSessionTicket, b}}}, before)
		if resumed || len(c.answer.ticket) == 0 || bytes.Equal(c.answer.ticket, ticket) {
			t.Errorf("the ticket %x: resumed: %v, a new one: %x", b, resumed, c.answer.ticket)
		}
	}
}
