package proxy_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// CONNECT to an allowed host with the server name of another customer of the same edge
// was passed there. Now the server name must be allowed too.
func TestServerNameAfterConnect(t *testing.T) {
	t.Parallel()
	w, _ := gatedWorld(t)
	for name, want := range map[string]record.Outcome{
		host:                        record.OutcomePassed,
		strings.ToUpper(host):       record.OutcomePassed,
		"login.microsoftonline.com": record.OutcomePassed, // allowed itself
		"contoso.azurefd.net":       record.OutcomeRefused,
		host + ".evil.example":      record.OutcomeRefused,
		"crl3.digicert.com":         record.OutcomeRefused, // on another port only
	} {
		for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS13} {
			cfg := w.capable(true)
			cfg.ServerName, cfg.MinVersion, cfg.MaxVersion = name, version, version
			if version == tls.VersionTLS10 {
				cfg.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
			}
			conn := dial(t, w.proxy)
			eager := &eagerConn{TCPConn: conn, first: []byte("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n")}
			_ = tls.Client(eager, cfg).HandshakeContext(t.Context())
			_ = conn.Close()
			expected := want
			if want == record.OutcomePassed && version == tls.VersionTLS10 {
				expected = record.OutcomeLifted
			}
			r := w.record()
			if r.Outcome != expected {
				t.Errorf("%s, %x: %s %q (%v)", name, version, r.Outcome, r.Reason, r.Err)
			}
		}
	}
}

// A capable client that was pointed at a listener with a fixed destination is lifted if
// its server name is that of tlslift, and no more passed to whoever has that name.
func TestServerNameAtFixedDestination(t *testing.T) {
	t.Parallel()
	w, _ := gatedWorld(t)
	for name, want := range map[string]record.Rule{
		host: record.RuleCapable, "tlslift.lan": record.RuleServerName, "contoso.azurefd.net": record.RuleServerName,
		"": record.RuleCapable,
	} {
		// openssl is a client that does not check its server name.
		args := []string{"s_client", "-connect", w.tls, "-tls1_2", "-ign_eof", "-servername", name}
		if name == "" {
			args = append(args[:len(args)-2], "-noservername")
		}
		if out := run(t, page, "openssl", args...); !strings.Contains(out, "hello from ") {
			t.Errorf("%q: the client says\n%s", name, out)
		}
		outcome := record.OutcomePassed
		if want == record.RuleServerName {
			outcome = record.OutcomeLifted
		}
		if r := w.expect(outcome, ""); r.Rule != want {
			t.Errorf("%q: %s by %s", name, r.Outcome, r.Rule)
		}
	}
	// What cannot be read as a name might still lead somewhere: two names.
	hello := recordedHello(t, w.capable(true))
	const oneName, twoNames = "\x00\x00\x15" + host, "\x00\x00\x09a.example\x00\x00\x09b.example"
	twice := strings.Replace(string(hello), "\x00\x18"+oneName, "\x00\x18"+twoNames, 1)
	if twice == string(hello) {
		t.Fatal("the hello is not changed")
	}
	conn := dial(t, w.tls)
	send(t, conn, twice)
	_, _ = io.CopyN(io.Discard, conn, 5)
	_ = conn.Close()
	if r := w.record(); r.Rule != record.RuleServerName {
		t.Errorf("two names: %s by %s", r.Outcome, r.Rule)
	}
}

// A browser that somebody redirects to a mail port is refused by its ALPN, and one
// without by its request, before a mail server sees it (ALPACA).
func TestBrowserAtMailPort(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS13} {
		w := newMailWorld(t, fakem365.MailOptions{}, nil)
		for _, tt := range []struct {
			alpn   []string
			send   string
			reason record.Reason
		}{
			{[]string{"h2", "http/1.1"}, "", record.ReasonALPNMismatch},
			{[]string{"imap"}, "", record.ReasonALPNMismatch},
			{nil, "POST / HTTP/1.1\r\nHost: a\r\n\r\nMAIL FROM:<a@b.example>\r\n", record.ReasonHTTPOnMailPort},
			{[]string{"http/1.1", "smtp"}, "QUIT\r\n", ""},
			{nil, "EHLO device.example\r\nQUIT\r\n", ""},
		} {
			cfg := w.oldConfig()
			cfg.ServerName, cfg.MaxVersion, cfg.NextProtos = mailHost, version, tt.alpn
			cfg.RootCAs = w.client(version).Roots
			if tt.reason == record.ReasonHTTPOnMailPort && version == tls.VersionTLS13 {
				continue // passed: what is inside is not seen
			}
			client := tls.Client(dial(t, w.at[viaSMTPS]), cfg)
			if _, err := io.WriteString(client, tt.send); err == nil {
				_, _ = io.Copy(io.Discard, client)
			}
			_ = client.Close()
			if r := w.record(); r.Reason != tt.reason {
				t.Errorf("version %x, ALPN %v, %q: %q (%v)", version, tt.alpn, tt.send, r.Reason, r.Err)
			}
		}
	}
}

// retrying starts a destination that asks for another ClientHello, and sends what it got
// after the first record when it has it, or when the connection ends.
func retrying(t *testing.T, got chan<- string) string {
	t.Helper()
	random := sha256.Sum256([]byte("HelloRetryRequest"))
	body := slices.Concat([]byte{3, 3}, random[:], []byte{0, 0x13, 1, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 24})
	message := slices.Concat([]byte{2, 0, 0, byte(len(body))}, body)
	request := slices.Concat([]byte{22, 3, 3, 0, byte(len(message))}, message, []byte{20, 3, 3, 0, 1, 1})
	return testenv.Serve(t, func(conn net.Conn) {
		header := make([]byte, 5)
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint16(header[3:]))); err != nil {
			return
		}
		if _, err := conn.Write(request); err != nil {
			return
		}
		after, _ := io.ReadAll(conn)
		got <- string(after)
	}).String()
}

// A client that is passed under one server name sent another one when the destination
// asked for another ClientHello: at a shared edge that leads to somebody else.
func TestServerNameOfAnotherHello(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	w := newWorld(t, testenv.FakeM365(t), retrying(t, got), nil)
	cfg := w.capable(false)
	cfg.MaxVersion, cfg.NextProtos = tls.VersionTLS13, []string{"http/1.1"}
	hello := string(recordedHello(t, cfg))
	message := hello[5:]
	records := func(message string, size int) (all string) {
		for piece := range slices.Chunk([]byte(message), size) {
			all += string(binary.BigEndian.AppendUint16([]byte{22, 3, 3}, uint16(len(piece)))) + string(piece)
		}
		return all
	}
	const ccs = "\x14\x03\x03\x00\x01\x01"
	other := strings.Replace(message, host, "another.office365.com", 1)
	const name = "\x00\x1a\x00\x18\x00\x00\x15" + host
	nameless := strings.Replace(message, "\x00\x00"+name, "\x7a\x7a"+name, 1)
	for name, tt := range map[string]struct {
		second string
		early  bool // it comes with the first one
		passes bool
	}{
		"the same":                {records(message, 1<<14), false, true},
		"the same, in pieces":     {ccs + records(message, 50), false, true},
		"another name":            {records(other, 1<<14), false, false},
		"after ChangeCipherSpec":  {ccs + records(other, 1<<14), false, false},
		"in pieces":               {ccs + records(other, 50), false, false},
		"before it was asked for": {ccs + records(other, 50), true, false},
		"another one after it":    {ccs + records(message+other, 1<<14), false, false},
		"another protocol":        {records(strings.Replace(message, "http/1.1", "http/9.9", 1), 1<<14), false, false},
		"no server name":          {records(nameless, 1<<14), false, false},
	} {
		if !tt.passes && strings.Contains(tt.second, records(message, 1<<14)) {
			t.Fatalf("%s: the hello is not changed", name)
		}
		conn := dial(t, w.tls)
		if tt.early {
			send(t, conn, hello+tt.second)
		} else {
			send(t, conn, hello)
			if _, err := io.ReadFull(conn, make([]byte, 60)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			send(t, conn, tt.second)
		}
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
		if after := <-got; (after == tt.second) != tt.passes {
			t.Errorf("%s: the destination got %d bytes of %d", name, len(after), len(tt.second))
		}
		if r := w.record(); (r.Reason == record.ReasonHelloMalformed) == tt.passes {
			t.Errorf("%s: %s %q (%v)", name, r.Outcome, r.Reason, r.Err)
		}
	}
}

// A client that has to send another ClientHello, since the destination does not know the
// group of its share, is passed.
func TestHelloRetryRequest(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	w, _ := gatedWorld(t)
	for _, compatible := range []bool{true, false} {
		args := []string{"s_client", "-connect", w.tls, "-tls1_3", "-groups", "X448:P-256", "-servername", host, "-alpn", "http/1.1", "-ign_eof"}
		if !compatible {
			args = append(args, "-no_middlebox")
		}
		if out := run(t, page, "openssl", args...); !strings.Contains(out, "hello from ") {
			t.Errorf("the client says\n%s", out)
		}
		w.expect(record.OutcomePassed, "")
	}
}
