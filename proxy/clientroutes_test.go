package proxy_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"testing"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// toPort returns a clients file in which this machine goes to a port of the mail server.
func toPort(port string) string {
	return "clients: [{name: scanner, address: 127.0.0.1, to: '" + mailHost + ":" + port + "'}]"
}

// A route leads to another destination, whose port says how TLS begins there; a new table
// holds for the next connection, and so does a new policy.
func TestClientRouteOfMail(t *testing.T) {
	t.Parallel()
	implicit := newMailWorld(t, fakem365.MailOptions{Implicit: true}, func(c *proxy.Config) {
		c.Clients = table(t, toPort("465"))
	})
	send := func(via, want string) {
		t.Helper()
		if _, err := implicit.send(via, implicit.client(tls.VersionTLS10), fakem365.Mail{Security: securityOf(via)}); err != nil {
			t.Errorf("%s: %v", via, err)
		}
		if rec := implicit.expect(record.OutcomeLifted, ""); rec.Destination != want {
			t.Errorf("%s led to %s, want %s", via, rec.Destination, want)
		}
	}
	send(viaSMTP, mailHost+":465") // whose own destination begins with STARTTLS
	send(viaSMTPS, mailHost+":465")
	implicit.world.server.SetClients(table(t, "clients: [{name: scanner, address: 192.0.2.1, to: smtp.office365.com:587}]"))
	send(viaTo465, mailHost+":465")

	// Other routes than those of what is spoken here do not count.
	implicit.world.server.SetClients(table(t,
		"clients: [{name: scanner, address: 127.0.0.1, to: [outlook.office365.com:993, graph.microsoft.com:443]}]"))
	send(viaTo465, mailHost+":465")

	// What is allowed no more is refused, even if the file still has it.
	allowed, err := m365.New(m365.Worldwide, nil)
	if err != nil {
		t.Fatal(err)
	}
	implicit.world.server.SetClients(table(t, toPort("465")))
	implicit.world.server.SetPolicy(allowed)
	_, err = implicit.send(viaSMTP, implicit.client(tls.VersionTLS10), fakem365.Mail{Security: fakem365.StartTLS})
	var refusal *fakem365.ReplyError
	if !errors.As(err, &refusal) {
		t.Errorf("got %v, want a refusal", err)
	}
	implicit.expect(record.OutcomeRefused, record.ReasonPortNotAllowed)
}

func securityOf(via string) fakem365.MailSecurity {
	if via == viaSMTPS {
		return fakem365.ImplicitTLS
	}
	return fakem365.StartTLS
}

// What a client asks for by CONNECT stays what it is.
func TestClientRouteIsNoOtherCONNECT(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, func(c *proxy.Config) { c.Clients = table(t, toPort("465")) })
	if _, err := w.send(viaConnect, w.client(tls.VersionTLS10), fakem365.Mail{Security: fakem365.StartTLS}); err != nil {
		t.Error(err)
	}
	if rec := w.expect(record.OutcomeLifted, ""); rec.Destination != submission {
		t.Errorf("led to %s", rec.Destination)
	}
}

// At a tls:// listener the route takes the place of the fixed destination. Where the
// server name decides, it is for a client that sends none.
func TestClientRouteOfTLS(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	const other = "graph.microsoft.com:443"
	const nameless = "192.0.2.1" // crypto/tls sends no address as a server name; it then finds no such name in the leaf
	addr := https(t, fake, fakem365.TLSOptions{}).Addr()
	byName := listener.URL{Scheme: listener.SchemeTLS, Address: "127.0.0.1:0"}
	w := newWorld(t, fake, addr, func(c *proxy.Config) {
		c.Clients = table(t, "clients: [{name: fax, address: 127.0.0.1, to: '"+other+"'}]")
		c.Upstream.ConnectTo[other] = addr
		c.Listeners = append(c.Listeners, byName)
	})
	all := w.server.Listeners()
	fixed, named := all[1].Address, all[2].Address
	for _, tt := range []struct{ at, serverName, want string }{
		{fixed, nameless, other},
		{fixed, "graph.microsoft.com", other},
		{named, nameless, other},
		{named, host, target},
	} {
		cfg := w.oldConfig()
		cfg.ServerName = tt.serverName
		conn := tls.Client(dial(t, tt.at), cfg)
		if err := conn.HandshakeContext(t.Context()); (err != nil) != (tt.serverName == nameless) {
			t.Errorf("%+v: %v", tt, err)
		}
		_ = conn.Close()
		if rec := w.record(); rec.Destination != tt.want {
			t.Errorf("%+v: %s to %s, %v", tt, rec.Outcome, rec.Destination, rec.Err)
		}
	}
	// Without a route, there is no destination.
	w.server.SetClients(nil)
	cfg := w.oldConfig()
	cfg.ServerName = nameless
	if err := tls.Client(dial(t, named), cfg).HandshakeContext(t.Context()); err == nil {
		t.Error("a client without a server name was served")
	}
	w.expect(record.OutcomeRefused, record.ReasonNoServerName)
}

// A route that is not allowed is a mistake of the configuration, at the start and later.
func TestClientRouteThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	var cfg proxy.Config
	w := newWorld(t, fake, https(t, fake, fakem365.TLSOptions{}).Addr(), func(c *proxy.Config) { cfg = *c })
	cfg.Clients = table(t, "clients: [{name: scanner, address: 127.0.0.1, to: evil.example.com:25}]")
	const want = `client "scanner": to=evil.example.com:25: destination "evil.example.com:25" is not allowed: ` +
		"the host is not in the list of Microsoft 365 (worldwide) and was not added to it"
	if _, err := proxy.New(cfg); err == nil || err.Error() != want {
		t.Errorf("at the start: got %v\nwant %s", err, want)
	}
	if err := w.server.Replace(cfg, nil); err == nil || err.Error() != want {
		t.Errorf("at a reload: got %v\nwant %s", err, want)
	}
	endpoint, err := policy.ParseEndpoint("evil.example.com:25")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Policy, err = m365.New(m365.Worldwide, []policy.Endpoint{endpoint}); err != nil {
		t.Fatal(err)
	}
	if err := w.server.Replace(cfg, nil); err != nil {
		t.Errorf("a destination that was added: %v", err)
	}
}

// At one port, one client signs in with OAuth, and another one goes where no login is
// needed, although the sign-in file would let it in.
func TestClientRouteBesideSignIn(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	w.world.server.SetClients(table(t, "clients: [{name: alarm, address: "+mappedC+", to: '"+directSend+":25'}]"))
	copying := w.device(copier, viaSMTP)
	copying.want(plain("copier1", devicePassword), "235 ")
	copying.wantSent(scanner)
	copying.quit()
	if rec := w.expect(record.OutcomeLifted, ""); rec.Mailbox != scanner || rec.Destination != submission {
		t.Errorf("the copier: %+v", rec)
	}
	alarm := &device{t: t, conn: w.reach(mappedC, viaSMTP)}
	alarm.r = bufio.NewReader(alarm.conn)
	alarm.want("", "220 ")
	alarm.want("EHLO device", "250 ")
	alarm.want("STARTTLS", "220 ")
	alarm.secure(w, directSend, tls.VersionTLS10)
	alarm.want("EHLO device", "250 ")
	alarm.wantSent("alarm@contoso.com")
	alarm.quit()
	if rec := w.expect(record.OutcomeLifted, ""); rec.Mailbox != "" || rec.Destination != directSend+":25" {
		t.Errorf("the alarm: %+v", rec)
	}
	if login := w.mx.Messages()[0].Login; login != "" {
		t.Errorf("it logged in as %q", login)
	}
}
