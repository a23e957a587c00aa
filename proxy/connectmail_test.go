package proxy_test

import (
	"crypto/tls"
	"io"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// newTLSPair connects the two through a tls:// listener to a port of mail.
func newTLSPair(t *testing.T, port uint16) *mailPair {
	t.Helper()
	to := policy.Destination{Host: mailHost, Port: port}
	return newPair(t, 0, mailHost, func(c *proxy.Config, destination string) {
		var err error
		if c.Policy, err = m365.New(m365.Worldwide, testenv.Endpoints(t, to.String())); err != nil {
			t.Fatal(err)
		}
		c.Listeners = []listener.URL{{Scheme: listener.SchemeTLS, Address: "127.0.0.1:0", To: to}}
		c.Upstream.ConnectTo = map[string]string{to.String(): destination}
	})
}

// A mail that is lost where the listener is not one of mail, but the port of its
// destination is, was reported as served.
func TestMailAtPortOfMailIsWatched(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		port     uint16
		script   string
		protocol record.Protocol
		reason   record.Reason
		accepted int
	}{
		"lost":      {465, inData + "C: Subject: scan\n", record.ProtocolSMTP, record.ReasonUpstreamCutOff, 0},
		"rejected":  {465, sent + "S: 554 5.6.211 Invalid MIME\nC: QUIT\nS: 221 bye\n", record.ProtocolSMTP, record.ReasonSMTPRejected, 0},
		"delivered": {465, sent + "S: 250 2.0.0 OK\nC: QUIT\nS: 221 bye\n", record.ProtocolSMTP, "", 1},
		"password of IMAP": {
			993, "S: * OK hi\nC: a LOGIN b c\nS: a NO [AUTHENTICATIONFAILED] no\n", record.ProtocolIMAP, record.ReasonIMAPAuthFailed, 0,
		},
		"password of POP3": {
			995, "S: +OK hi\nC: USER a\nS: +OK\nC: PASS b\nS: -ERR no\n", record.ProtocolPOP3, record.ReasonPOP3AuthFailed, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newTLSPair(t, tt.port)
			p.play(tt.script)
			p.destination.close()
			_, _ = io.Copy(io.Discard, p.client.conn)
			p.client.close()
			if r := p.expect(record.OutcomeLifted, tt.reason); r.Protocol != tt.protocol || r.Accepted != tt.accepted {
				t.Errorf("%s, %d mails accepted", r.Protocol, r.Accepted)
			}
		})
	}
}

// A browser that is led to a port of mail through CONNECT is cut off like one at a
// listener of mail, and its ALPN is looked at where the port of mail is an odd one.
func TestBrowserAtPortOfMail(t *testing.T) {
	t.Parallel()
	const odd = "relay.contoso.com"
	w := newMailWorld(t, fakem365.MailOptions{Implicit: true}, func(c *proxy.Config) {
		var err error
		if c.Policy, err = m365.New(m365.Worldwide, testenv.Endpoints(t, mailHost+":465", odd+":2465")); err != nil {
			t.Fatal(err)
		}
		to := policy.Destination{Host: odd, Port: 2465}
		c.Listeners[1] = listener.URL{Scheme: listener.SchemeSMTPS, Address: "127.0.0.1:0", To: to}
		c.Upstream.ConnectTo[to.String()] = c.Upstream.ConnectTo[mailHost+":465"]
	})
	const post = "POST / HTTP/1.1\r\nHost: a\r\n\r\nMAIL FROM:<a@b.example>\r\n"
	for _, tt := range []struct {
		via, connect string
		alpn         []string
		reason       record.Reason
	}{
		{viaConnect, mailHost + ":465", nil, record.ReasonHTTPOnMailPort},
		{viaConnect, mailHost + ":465", []string{"http/1.1"}, record.ReasonALPNMismatch},
		{viaSMTPS, "", []string{"http/1.1"}, record.ReasonALPNMismatch},
		{viaSMTPS, "", []string{"imap"}, record.ReasonALPNMismatch},
	} {
		conn := dial(t, w.at[tt.via])
		eager := &eagerConn{TCPConn: conn}
		if tt.connect != "" {
			eager.first = []byte("CONNECT " + tt.connect + " HTTP/1.1\r\nHost: " + tt.connect + "\r\n\r\n")
		}
		cfg := w.oldConfig()
		cfg.ServerName, cfg.NextProtos = mailHost, tt.alpn
		client := tls.Client(eager, cfg)
		if _, err := io.WriteString(client, post); err == nil {
			_, _ = io.Copy(io.Discard, client)
		}
		_ = client.Close()
		if r := w.record(); r.Reason != tt.reason {
			t.Errorf("%s %s with ALPN %v: %s %q (%v)", tt.via, tt.connect, tt.alpn, r.Outcome, r.Reason, r.Err)
		}
	}
}
