package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A mailWay is a way for mail through tlslift.
type mailWay struct {
	listener string // URL with {} for its address
	protocol string
	tlsMode  string // how the client begins TLS
	upstream int    // the destination's port, where TLS begins at once or not
	proxied  bool   // through CONNECT
}

// proxyListener is the listener that start makes.
const proxyListener = "proxy://{}"

var mailWays = []mailWay{
	{listener: "smtp://{}", protocol: "smtp", tlsMode: startTLS, upstream: 587},
	{listener: "smtp://{}", protocol: "smtp", tlsMode: implicitTLS, upstream: 587},
	{listener: "smtps://{}", protocol: "smtp", tlsMode: implicitTLS, upstream: 587},
	{listener: "smtps://{}?to=" + smtpHost + ":465", protocol: "smtp", tlsMode: implicitTLS, upstream: 465},
	{listener: "smtp://{}?to=" + smtpHost + ":465", protocol: "smtp", tlsMode: startTLS, upstream: 465},
	{listener: "smtp://{}?plaintext=allow", protocol: "smtp", tlsMode: startTLS, upstream: 587},
	{listener: proxyListener, protocol: "smtp", tlsMode: startTLS, upstream: 587, proxied: true},
	{listener: "imap://{}", protocol: "imap", tlsMode: startTLS, upstream: 993},
	{listener: "imap://{}?to=" + host + ":143", protocol: "imap", tlsMode: startTLS, upstream: 143},
	{listener: "imap://{}?plaintext=allow&to=" + host + ":143", protocol: "imap", tlsMode: startTLS, upstream: 143},
	{listener: "imaps://{}", protocol: "imap", tlsMode: implicitTLS, upstream: 993},
	{listener: proxyListener, protocol: "imap", tlsMode: startTLS, upstream: 143, proxied: true},
	{listener: "pop3://{}", protocol: "pop3", tlsMode: startTLS, upstream: 995},
	{listener: "pop3://{}?to=" + host + ":110", protocol: "pop3", tlsMode: startTLS, upstream: 110},
	{listener: "pop3s://{}", protocol: "pop3", tlsMode: implicitTLS, upstream: 995},
	{listener: proxyListener, protocol: "pop3", tlsMode: startTLS, upstream: 110, proxied: true},
}

func (w mailWay) String() string {
	name := strings.Replace(w.listener, "//{}", "", 1) + " " + w.tlsMode
	if w.proxied {
		name += " to " + strconv.Itoa(w.upstream)
	}
	return strings.NewReplacer("/", "", "?", " ", "&", " ").Replace(name)
}

// alike reports whether both sides begin TLS in the same way, so that a client
// can be passed.
func (w mailWay) alike() bool {
	upstreamAtOnce := w.upstream == 465 || w.upstream == 993 || w.upstream == 995
	return (w.tlsMode == implicitTLS) == upstreamAtOnce
}

// expect is what becomes of a client at a level.
func (w mailWay) expect(level mailLevel) (outcome, why string) {
	switch {
	case level.why != modern.why:
		return "lifted", level.why
	case !w.alike():
		return "lifted", "tls_mode_mismatch"
	}
	return "passed", "capable"
}

// call is how a client goes this way.
func (w mailWay) call(t *testing.T, l *mailLift, level mailLevel) mailCall {
	t.Helper()
	c := mailCall{
		level: level, protocol: w.protocol, tlsMode: w.tlsMode, address: l.at[w.listener], caFile: l.caFile,
		to: freshMailbox(),
	}
	if outcome, _ := w.expect(level); outcome == "passed" {
		c.caFile = l.servers.rootFile(t)
	}
	if w.proxied {
		c.viaHTTP = strconv.Itoa(w.upstream)
	}
	return c
}

var mailboxes atomic.Int32

// freshMailbox is the name of a mailbox that no mail was sent to yet.
func freshMailbox() string {
	return fmt.Sprintf("mailbox%d@example.com", mailboxes.Add(1))
}

// A mailLift is tlslift between mail clients and servers.
type mailLift struct {
	*tlslift
	servers *mailServer
	at      map[string]string // addresses of listeners, by their URL as in mailWays
}

// plainWays are those of clients without TLS, where they are allowed.
var plainWays = []mailWay{
	{listener: "smtp://{}?plaintext=allow", protocol: "smtp", tlsMode: never, upstream: 587},
	{listener: "smtp://{}?plaintext=allow&to=" + smtpHost + ":465", protocol: "smtp", tlsMode: never, upstream: 465},
	{listener: "imap://{}?plaintext=allow", protocol: "imap", tlsMode: never, upstream: 993},
	{listener: "imap://{}?plaintext=allow&to=" + host + ":143", protocol: "imap", tlsMode: never, upstream: 143},
	{listener: "pop3://{}?plaintext=allow", protocol: "pop3", tlsMode: never, upstream: 995},
	{listener: "pop3://{}?plaintext=allow&to=" + host + ":110", protocol: "pop3", tlsMode: never, upstream: 110},
}

// What a server takes from everyone. Nobody begins with TLS there.
var (
	toPort25      = mailWay{listener: "smtp://{}?wait=0&to=" + smtpHost + ":25", protocol: "smtp", tlsMode: startTLS, upstream: 25}
	plainToPort25 = mailWay{
		listener: "smtp://{}?plaintext=allow&wait=0&to=" + smtpHost + ":25", protocol: "smtp", tlsMode: never, upstream: 25,
	}
)

// connectTo is the setting that leads to the servers.
func (s *mailServer) connectTo() string {
	var connect []string
	for port, name := range mailPorts {
		connect = append(connect, fmt.Sprintf("%s:%d=%s", name, port, s.at[port]))
	}
	return strings.Join(connect, ",")
}

// startMail runs tlslift with the listeners of all ways.
func startMail(t *testing.T, s *mailServer, settings ...string) *mailLift {
	t.Helper()
	return startMailAs(t, nil, s, settings...)
}

// startMailAs runs it under another program.
func startMailAs(t *testing.T, wrapper []string, s *mailServer, settings ...string) *mailLift {
	t.Helper()
	l := &mailLift{servers: s, at: map[string]string{}}
	listen := []string{"proxy://{proxy}"}
	add := func(listener string) {
		if l.at[listener] == "" && listener != proxyListener {
			l.at[listener] = testenv.FreeAddress(t)
			listen = append(listen, strings.Replace(listener, "{}", l.at[listener], 1))
		}
	}
	for _, w := range slices.Concat(mailWays, plainWays, []mailWay{toPort25, plainToPort25}) {
		add(w.listener)
	}
	l.tlslift = startAs(t, wrapper, "", s.pki.pem, append([]string{
		"TLSLIFT_LISTEN=" + strings.Join(listen, ","),
		"TLSLIFT_CONNECT_TO=" + s.connectTo(),
		// Microsoft 365 does not have these.
		"TLSLIFT_DESTINATIONS=" + smtpHost + ":465," + host + ":110",
	}, settings...)...)
	l.at[proxyListener] = l.proxy
	return l
}

// recordOf waits for the record of a client that went a way, checks it and returns it.
func (l *mailLift) recordOf(t *testing.T, w mailWay, level mailLevel) map[string]any {
	t.Helper()
	outcome, why := w.expect(level)
	rec := l.record(t, map[string]string{
		"outcome": outcome, "protocol": w.protocol, "offered": level.offered, "rule": why, "reason": "",
		"destination": fmt.Sprintf("%s:%d", mailPorts[w.upstream], w.upstream),
	})
	clientTLS, _ := rec["client_tls"].(string)
	upstreamTLS, _ := rec["upstream_tls"].(string)
	switch {
	case outcome == "passed":
		if clientTLS+upstreamTLS != "" {
			t.Errorf("a passed connection has a handshake of ours: %q, %q", clientTLS, upstreamTLS)
		}
	case w.tlsMode == never && clientTLS != "",
		w.tlsMode != never && !strings.HasPrefix(clientTLS, level.offered),
		!strings.HasPrefix(upstreamTLS, "TLS 1.3"):
		t.Errorf("lifted from %q to %q", clientTLS, upstreamTLS)
	}
	return rec
}

// goes carries out a call that must succeed.
func (l *mailLift) goes(t *testing.T, client string, c mailCall, w mailWay, level mailLevel) {
	t.Helper()
	out, err := mailClients[client](t, c)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, end(out), l.log())
	}
	l.servers.done(t, c, out)
	l.recordOf(t, w, level)
}

// done checks that a call's mail was sent or read.
func (s *mailServer) done(t *testing.T, c mailCall, out string) {
	t.Helper()
	if c.protocol == "smtp" {
		s.arrived(t, c.to, 1)
	} else if !strings.Contains(out, "hello from Dovecot") {
		t.Errorf("did not read the mail:\n%s", out)
	}
}
