package legacytls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// The last bytes of ServerHello.random (RFC 8446 section 4.1.3).
const (
	sentinel12 = "DOWNGRD\x01"
	sentinel11 = "DOWNGRD\x00"
)

// The random value tells of a version that the server has and the client has not
// offered, and of none that the client offers in a way that cannot be served.
func TestDowngradeSentinel(t *testing.T) {
	t.Parallel()
	both := func(c *Config) { c.ServesTLS13 = true }
	alone := func(*Config) {}
	list := func(versions ...uint16) hello {
		return hello{version: tls.VersionTLS12, extensions: []extension{versionsOf(versions...)}}
	}
	for name, row := range map[string]struct {
		config func(*Config)
		hello  hello
		want   string // empty means that it is random
	}{
		"TLS 1.2":                            {both, hello{version: tls.VersionTLS12}, sentinel12},
		"TLS 1.1":                            {both, hello{version: tls.VersionTLS11}, sentinel11},
		"TLS 1.0":                            {both, hello{}, sentinel11},
		"TLS 1.0 in SSLv2 format":            {both, hello{challenge: 32}, sentinel11},
		"TLS 1.2 in SSLv2 format":            {both, hello{version: tls.VersionTLS12, challenge: 32}, sentinel12},
		"TLS 1.2 by its list":                {both, list(tls.VersionTLS12), sentinel12},
		"TLS 1.1 by its list":                {both, list(0x7a7a, tls.VersionTLS11), sentinel11},
		"a version to come, without a list":  {both, hello{version: 0x0304}, sentinel12},
		"TLS 1.3 without a suite of it":      {both, list(tls.VersionTLS13, tls.VersionTLS12), ""},
		"TLS 1.3 and 1.0, without a suite":   {both, list(tls.VersionTLS10, tls.VersionTLS13), ""},
		"TLS 1.2 that falls back":            {both, hello{version: tls.VersionTLS12, suites: []uint16{rsaAES128, fallbackSCSV}}, ""},
		"TLS 1.2 without the other stack":    {alone, hello{version: tls.VersionTLS12}, ""},
		"TLS 1.1 without the other stack":    {alone, hello{version: tls.VersionTLS11}, sentinel11},
		"TLS 1.1 of a server without newer":  {func(c *Config) { c.MaxVersion = tls.VersionTLS11 }, hello{version: tls.VersionTLS11}, ""},
		"TLS 1.0 of a server without newer":  {func(c *Config) { c.MaxVersion = tls.VersionTLS10 }, hello{version: tls.VersionTLS11}, ""},
		"TLS 1.0 of a server with TLS 1.1":   {func(c *Config) { c.MaxVersion = tls.VersionTLS11 }, hello{}, ""},
		"ECDHE, whose signature is over it":  {both, hello{version: tls.VersionTLS12, suites: []uint16{ecdheAES128}}, sentinel12},
		"the newest that a session may have": {both, hello{session: bytes.Repeat([]byte{7}, 32)}, sentinel11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := newConfig(t)
			row.config(config)
			c := begin(t, config, row.hello)
			c.connect()
			if c.err != nil {
				t.Fatal(c.err)
			}
			checkSentinel(t, c, row.want)
			c.close()
		})
	}
}

func checkSentinel(t *testing.T, c *script, want string) {
	t.Helper()
	last := c.answer.random[randomLen-len(sentinel12):]
	if want != "" && string(last) != want || want == "" && bytes.HasPrefix(last, []byte(downgradeSentinel)) {
		t.Errorf("the random value ends in %q, want %q", last, want)
	}
	if first := c.answer.random[:randomLen-len(sentinel12)]; bytes.Equal(first, make([]byte, len(first))) {
		t.Error("the rest of it is not random")
	}
}

// A session that is resumed has it, too.
func TestDowngradeSentinelOfResumption(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	config.ServesTLS13, config.Sessions = true, NewSessions(secretKeys("secret"), 10)
	h := hello{version: tls.VersionTLS12}
	first := begin(t, config, h)
	first.connect()
	first.close()
	h.session = first.answer.session
	again := begin(t, config, h)
	again.master = first.master
	if resumed := again.connect(); !resumed {
		t.Errorf("the session is not resumed: %v", again.err)
	}
	checkSentinel(t, again, sentinel12)
	again.close()
}

// An onTheWay takes TLS 1.3 out of the versions that a client lists, by another number
// in its place, as an attacker would.
type onTheWay struct {
	net.Conn
	done bool
}

func (c *onTheWay) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for i := range p[:max(0, n-6)] {
		if e := p[i : i+7]; !c.done && e[0] == 0 && e[1] == extSupportedVersions && e[2] == 0 && e[3] == e[4]+1 && e[5] == 3 && e[6] == 4 {
			c.done = true
			e[5] = 0x7a
		}
	}
	return n, err
}

// Clients that can speak TLS 1.3 notice when it is taken out of their ClientHello:
// before they send anything that depends on a key.
func TestClientsNoticeDowngrade(t *testing.T) {
	t.Parallel()
	root := rootFile(t)
	serveChanged := func(t *testing.T) (port string, ended <-chan error) {
		failed := make(chan error, 1)
		config := newConfig(t)
		config.Certificate, config.ServesTLS13 = &peerPKIOf(t).sha256, true
		address := testenv.Serve(t, func(conn net.Conn) {
			failed <- Server(&onTheWay{Conn: conn}, config).Handshake()
		})
		_, port, _ = net.SplitHostPort(address.String())
		return port, failed
	}
	check := func(t *testing.T, ended <-chan error) {
		t.Helper()
		if err, told := <-ended, (*AlertError)(nil); !errors.As(err, &told) || told.Description != uint8(alertIllegalParameter) {
			t.Errorf("the server ended with %v", err)
		}
	}
	t.Run("crypto-tls", func(t *testing.T) {
		t.Parallel()
		port, ended := serveChanged(t)
		config := &tls.Config{ServerName: serverName, RootCAs: peerPKIOf(t).root.Roots(), MinVersion: tls.VersionTLS12}
		if _, err := tls.Dial("tcp", "127.0.0.1:"+port, config); err == nil || !strings.Contains(err.Error(), "downgrade") {
			t.Errorf("the client says %v", err)
		}
		check(t, ended)
	})
	for name, want := range map[string]string{
		"openssl": "inappropriate fallback", "gnutls": "illegal parameter", "nss": "malformed server hello", "curl": "inappropriate fallback",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, ended := serveChanged(t)
			args := peerOffers(port, root, nssDatabase(t, root))[name]
			out, err := runPeer(t, nil, args[0], args[1:]...)
			if err == nil || !strings.Contains(strings.ToLower(out), want) {
				t.Errorf("%v, the client says: %.5000s", err, out)
			}
			check(t, ended)
		})
	}
}
