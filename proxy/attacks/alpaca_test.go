package attacks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// host is the destination of everything. Its certificate is good for all protocols: that
// is what the attack needs.
const host = "outlook.office365.com"

// A victim is a client that somebody has led to the wrong port.
type victim struct {
	name     string
	protocol record.Protocol
	alpn     []string
	says     string
}

// victims are of each protocol, with and without ALPN. What a browser says has commands
// of all mail protocols in it.
var victims = []victim{
	{"browser", record.ProtocolHTTP, []string{"h2", "http/1.1"}, "POST / HTTP/1.1\r\nHost: x\r\n\r\nMARK\r\nRSET\r\n"},
	{"browser of HTTP/1", record.ProtocolHTTP, []string{"http/1.1"}, "POST / HTTP/1.1\r\nHost: x\r\n\r\nMARK\r\nRSET\r\n"},
	{"browser without ALPN", record.ProtocolHTTP, nil, "GET /MARK HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"SMTP client", record.ProtocolSMTP, []string{"smtp"}, "EHLO MARK\r\n"},
	{"IMAP client", record.ProtocolIMAP, []string{"imap"}, "a LOGIN MARK MARK\r\n"},
	{"POP3 client", record.ProtocolPOP3, []string{"pop3"}, "USER MARK\r\n"},
}

// An entry is a listener, as a client reaches it.
type entry struct {
	name    string
	scheme  listener.Scheme
	connect uint16          // the port in a CONNECT
	speaks  record.Protocol // what is behind it; ProtocolTLS means anything
	starts  string          // what lets TLS begin; empty means that it begins at once
}

var entries = []entry{
	{"smtp", listener.SchemeSMTP, 0, record.ProtocolSMTP, ""},
	{"smtp, STARTTLS", listener.SchemeSMTP, 0, record.ProtocolSMTP, "EHLO x\r\nSTARTTLS\r\n"},
	{"smtps", listener.SchemeSMTPS, 0, record.ProtocolSMTP, ""},
	{"imap", listener.SchemeIMAP, 0, record.ProtocolIMAP, ""},
	{"imap, STARTTLS", listener.SchemeIMAP, 0, record.ProtocolIMAP, "a STARTTLS\r\n"},
	{"imaps", listener.SchemeIMAPS, 0, record.ProtocolIMAP, ""},
	{"pop3", listener.SchemePOP3, 0, record.ProtocolPOP3, ""},
	{"pop3, STLS", listener.SchemePOP3, 0, record.ProtocolPOP3, "STLS\r\n"},
	{"pop3s", listener.SchemePOP3S, 0, record.ProtocolPOP3, ""},
	{"tls to 993", listener.SchemeTLS, 0, record.ProtocolIMAP, ""},
	{"CONNECT to 465", listener.SchemeProxy, 465, record.ProtocolSMTP, ""},
	{"CONNECT to 587", listener.SchemeProxy, 587, record.ProtocolSMTP, ""},
	{"CONNECT to 993", listener.SchemeProxy, 993, record.ProtocolIMAP, ""},
	{"CONNECT to 995", listener.SchemeProxy, 995, record.ProtocolPOP3, ""},
}

// A world is a tlslift with a listener of each kind, and a destination for each port.
type world struct {
	t       *testing.T
	fake    *fakem365.Service
	ca      *localca.CA
	records chan record.Record
	at      map[listener.Scheme]string

	mu   sync.Mutex
	seen []byte // by the destinations, inside TLS
}

// Opened implements proxy.Observer.
func (w *world) Opened(string) {}

// Closed implements proxy.Observer.
func (w *world) Closed(r *record.Record) { w.records <- *r }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, fake: testenv.FakeM365(t), records: make(chan record.Record, 10), at: map[listener.Scheme]string{}}
	connect := map[string]string{}
	for _, port := range []uint16{465, 587, 993, 995} {
		connect[fmt.Sprintf("%s:%d", host, port)] = testenv.Serve(t, func(c net.Conn) { w.serve(c, port) }).String()
	}
	connect["smtp.office365.com:587"] = connect[host+":587"]
	allowed, err := m365.New(m365.Worldwide, testenv.Endpoints(t, host+":465", host+":587", host+":993", host+":995"))
	must(t, err)
	w.ca, err = localca.Open(localca.Options{Dir: filepath.Join(t.TempDir(), "ca"), Permitted: allowed.Domains()})
	must(t, err)
	cfg := proxy.Config{
		ClientNets: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Policy: allowed, CA: w.ca,
		Upstream:       upstream.Config{Roots: w.fake.Roots(), ConnectTo: connect},
		MaxConnections: 100, MaxConnectionsPerClient: 100,
		HandshakeTimeout: testenv.Patience, IdleTimeout: testenv.Patience, DrainTimeout: testenv.Patience,
		Observer: w,
	}
	for _, s := range []listener.Scheme{
		listener.SchemeSMTP, listener.SchemeSMTPS, listener.SchemeIMAP, listener.SchemeIMAPS, listener.SchemePOP3, listener.SchemePOP3S,
		listener.SchemeProxy, listener.SchemeTLS,
	} {
		u := listener.URL{Scheme: s, Address: "127.0.0.1:0"}
		if s == listener.SchemeTLS {
			u.To = policy.Destination{Host: host, Port: 993}
		}
		if s.Mail() != "" && !s.ImplicitTLS() {
			u.Wait = 100 * time.Millisecond
		}
		cfg.Listeners = append(cfg.Listeners, u)
	}
	server, err := proxy.New(cfg)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	must(t, server.Listen(ctx))
	for _, u := range server.Listeners() {
		w.at[u.Scheme] = u.Address
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	return w
}

// serve is a destination. It greets, and keeps what it gets inside TLS.
func (w *world) serve(raw net.Conn, port uint16) {
	_ = raw.SetDeadline(time.Now().Add(testenv.Patience))
	if port == 587 {
		_, _ = io.WriteString(raw, "220 mx\r\n")
		r := bufio.NewReader(raw)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if strings.HasPrefix(line, "STARTTLS") {
				_, _ = io.WriteString(raw, "220 go\r\n")
				break
			}
			_, _ = io.WriteString(raw, "250-mx\r\n250 STARTTLS\r\n")
		}
	}
	c, err := w.fake.Certificate(fakem365.CertOptions{})
	if err != nil {
		return
	}
	secure := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12})
	if secure.HandshakeContext(context.Background()) != nil {
		return
	}
	_, _ = io.WriteString(secure, map[uint16]string{465: "220 mx\r\n", 993: "* OK\r\n", 995: "+OK\r\n"}[port])
	buf := make([]byte, 4096)
	for {
		n, err := secure.Read(buf)
		w.mu.Lock()
		w.seen = append(w.seen, buf[:n]...)
		w.mu.Unlock()
		if err != nil {
			return
		}
		_, _ = io.WriteString(secure, "250 ok\r\n")
	}
}

// try lets a victim reach an entry, and returns the record and what a destination saw.
func (w *world) try(v *victim, e *entry, version uint16) (record.Record, []byte) {
	w.mu.Lock()
	w.seen = nil
	w.mu.Unlock()
	var d net.Dialer
	raw, err := d.DialContext(w.t.Context(), "tcp", w.at[e.scheme])
	must(w.t, err)
	defer raw.Close()
	must(w.t, raw.SetDeadline(time.Now().Add(testenv.Patience)))
	w.begin(raw, e)
	roots := w.fake.Roots().Clone()
	roots.AddCert(w.ca.Certificate())
	client := tls.Client(raw, &tls.Config{
		ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: version, NextProtos: v.alpn,
	})
	if client.HandshakeContext(w.t.Context()) == nil {
		_, _ = io.WriteString(client, v.says)
		_ = client.CloseWrite()
		_, _ = io.Copy(io.Discard, client)
	}
	_ = raw.Close()
	select {
	case r := <-w.records:
		w.mu.Lock()
		defer w.mu.Unlock()
		return r, bytes.Clone(w.seen)
	case <-time.After(testenv.Patience):
		w.t.Fatalf("%s at %s: nothing is recorded", v.name, e.name)
		return record.Record{}, nil
	}
}

// begin goes as far as TLS.
func (w *world) begin(raw net.Conn, e *entry) {
	r := bufio.NewReaderSize(raw, 16)
	until := func(ends ...string) {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			for _, end := range ends {
				if strings.HasPrefix(line, end) {
					return
				}
			}
		}
	}
	if e.connect != 0 {
		_, _ = fmt.Fprintf(raw, "CONNECT %s:%d HTTP/1.1\r\nHost: x\r\n\r\n", host, e.connect)
		until("\r\n")
		return
	}
	if e.starts == "" {
		return
	}
	until("220", "* OK", "+OK")
	for line := range strings.Lines(e.starts) {
		_, _ = io.WriteString(raw, line)
		until("250 ", "220", "a OK", "+OK")
	}
}

// A client of one protocol that somebody leads to a port of another is refused, and what
// it says reaches no destination of another protocol (ALPACA). Its name is right for
// both, so that no certificate stops it. What a capable client without ALPN says is in
// its own TLS, which is passed: it is the destination's to refuse.
func TestALPACA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range victims {
		for j := range entries {
			for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS13} {
				v, e := &victims[i], &entries[j]
				r, seen := w.try(v, e, version)
				name := fmt.Sprintf("%s at %s by %s", v.name, e.name, tls.VersionName(version))
				isCross := v.protocol != e.speaks
				reached := bytes.Contains(seen, []byte("MARK"))
				switch {
				case !isCross:
					if r.Outcome != record.OutcomePassed && r.Outcome != record.OutcomeLifted {
						t.Errorf("%s: it is %s %q (%v)", name, r.Outcome, r.Reason, r.Err)
					}
				case r.Outcome == record.OutcomePassed && v.alpn == nil:
				case reached:
					t.Errorf("%s: the destination gets %q; it is %s %q", name, seen, r.Outcome, r.Reason)
				case !r.Failing():
					t.Errorf("%s: it is %s, and nothing is said of it", name, r.Outcome)
				}
			}
		}
	}
}
