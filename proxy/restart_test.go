package proxy_test

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// An openings is an Observer that also says when a connection was accepted.
type openings struct {
	proxy.Observer
	opened chan string
}

// Opened implements proxy.Observer.
func (o openings) Opened(listener string) { o.opened <- listener }

// When tlslift stops, it closes the connections of clients that have said nothing, with a
// FIN and without an event. A session goes on.
func TestSilentClientsAtStop(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	opened := make(chan string, 10)
	submission, err := fake.ServeSMTP(fakem365.MailOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, fake, echo(t, fake).Addr(), func(c *proxy.Config) {
		c.Observer = openings{c.Observer, opened}
		c.Listeners = append(c.Listeners, listener.URL{Scheme: listener.SchemeSMTP, Address: "127.0.0.1:0"})
		c.Upstream.ConnectTo["smtp.office365.com:587"] = submission.Addr()
	})
	var mail string
	for _, l := range w.server.Listeners() {
		switch l.Scheme {
		case listener.SchemeSMTP:
			mail = l.Address
		case listener.SchemeTLS:
			w.tls = l.Address
		}
	}
	client := w.client(tls.VersionTLS10)
	client.Proxy, client.Address = "", w.tls
	session, err := client.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	<-opened
	var silent []net.Conn
	for _, address := range []string{w.proxy, w.tls, mail} {
		silent = append(silent, dial(t, address))
		<-opened
	}
	w.stop()
	for _, conn := range silent {
		// The mail client gets a greeting, which it does not answer.
		if got, err := io.ReadAll(conn); err != nil || len(got) > 0 && !strings.HasPrefix(string(got), "220 ") {
			t.Errorf("%s: got %q, %v", conn.RemoteAddr(), got, err)
		}
		if r := w.record(); !r.Stopped || !r.IsHealthCheck() {
			t.Errorf("%s is an event: %+v", r.Listener, r)
		}
	}
	if _, err := io.WriteString(session, "still here"); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(io.LimitReader(session, 10)); err != nil || string(got) != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
	_ = session.Close()
	if r := w.expect(record.OutcomeLifted, ""); r.Stopped {
		t.Error("a session is no event")
	}
}

// Another configuration is in force for new connections; an open one keeps its own. One
// that is wrong changes nothing.
func TestReplace(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	first := echo(t, fake)
	var cfg proxy.Config
	w := newWorld(t, fake, first.Addr(), func(c *proxy.Config) { cfg = *c })
	client := w.client(tls.VersionTLS10)
	session, err := client.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	replace := func(change func(*proxy.Config)) error {
		next := cfg
		change(&next)
		return w.server.Replace(next, nil)
	}
	if err := replace(func(c *proxy.Config) { c.Policy = nil }); err == nil {
		t.Error("a configuration without a policy is in force")
	}
	moved := map[string]string{target: https(t, fake, fakem365.TLSOptions{}).Addr()}
	if err := replace(func(c *proxy.Config) { c.Upstream.ConnectTo = moved }); err != nil {
		t.Fatal(err)
	}
	for _, fixed := range []bool{false, true} {
		if fixed {
			client.Proxy, client.Address = "", w.tls
		}
		if answer, err := client.Get(t.Context(), "https://"+host+"/"); err != nil || !strings.Contains(answer.Body, host) {
			t.Errorf("fixed=%v: %v, %v", fixed, answer, err)
		}
		w.expect(record.OutcomeLifted, "")
	}
	if err := replace(func(c *proxy.Config) { c.ClientNets = nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dial(t.Context(), target); err == nil {
		t.Error("a client connects from a network that is not allowed any more")
	}
	w.expect(record.OutcomeRefused, record.ReasonClientNotAllowed)
	if _, err := io.WriteString(session, "still here"); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(io.LimitReader(session, 10)); err != nil || string(got) != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
	_ = session.Close()
	w.expect(record.OutcomeLifted, "")
}

// Cut ends the sessions with a reset, and each has a record.
func TestCut(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	session, err := w.client(tls.VersionTLS10).Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	w.stop()
	w.server.Cut()
	if _, err := io.ReadAll(session); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("got %v, want a reset", err)
	}
	w.expect(record.OutcomeLifted, record.ReasonCutOff)
}
