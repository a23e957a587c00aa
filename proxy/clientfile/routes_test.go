package clientfile

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/policy"
)

func routesOf(t *testing.T, value string) Routes {
	t.Helper()
	return parse(t, at("  to: "+value)).Lookup(netip.MustParseAddr("10.0.0.1")).To
}

// The port of a destination says which listeners it is for.
func TestRoutes(t *testing.T) {
	t.Parallel()
	const all = "[contoso-com.mail.protection.outlook.com:25, imap.example.com:993, POP.example.com.:110, erp.example.com:8443]"
	for _, test := range []struct{ to, listener, serverName, want string }{
		// A mail listener, whatever its own destination is.
		{all, "smtp://:25?to=smtp.office365.com:587", "", "contoso-com.mail.protection.outlook.com:25"},
		{all, "smtps://:465?to=mail.example.com:2525", "", "contoso-com.mail.protection.outlook.com:25"},
		{all, "imap://:143?to=outlook.office365.com:993", "", "imap.example.com:993"},
		{all, "pop3s://:995?to=outlook.office365.com:995", "", "pop.example.com:110"},
		{"smtp.hve.mx.microsoft:587", "imaps://:993?to=outlook.office365.com:993", "", "outlook.office365.com:993"},
		// A tls:// listener with a destination, which the server name does not change.
		{all, "tls://:8443?to=outlook.office365.com:443", "mail.example.com", "erp.example.com:8443"},
		{all, "tls://:993?to=outlook.office365.com:993", "", "imap.example.com:993"},
		{"smtp.hve.mx.microsoft:587", "tls://:443?to=outlook.office365.com:443", "", "outlook.office365.com:443"},
		// It cannot begin with STARTTLS.
		{all, "tls://:465?to=mail.example.com:465", "", "mail.example.com:465"},
		{"mail.example.com:465", "tls://:465?to=other.example.com:465", "", "mail.example.com:465"},
		// Where the name decides, it is for a client that sends none.
		{all, "tls://:443", "graph.microsoft.com", "graph.microsoft.com:443"},
		{all, "tls://:443?port=993", "", "imap.example.com:993"},
		{all, "tls://:443", "", "erp.example.com:8443"},
		{"smtp.hve.mx.microsoft:587", "tls://:443", "", ":0"},
		// What the client asks for is never changed.
		{all, "proxy://:3128", "", ":0"},
		{all, "redirect://:3129?sni=outlook.office365.com", "", ":0"},
	} {
		l, err := listener.Parse(test.listener)
		if err != nil {
			t.Fatal(err)
		}
		routes := routesOf(t, test.to)
		got := routes.Fixed(l)
		if l.To == (policy.Destination{}) && got == (policy.Destination{}) {
			got = routes.ByName(l, test.serverName)
		}
		if l.Scheme != listener.SchemeTLS && l.To == (policy.Destination{}) && got.Port == listener.DefaultTLSPort {
			t.Errorf("%s: a destination from nowhere", test.listener)
		}
		if got.String() != test.want {
			t.Errorf("%s at %s with the name %q: got %s, want %s", test.to, test.listener, test.serverName, got, test.want)
		}
	}
}

func TestRouteProblems(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"smtp.office365.com": `line 4, column 7: to: destination "smtp.office365.com" is not valid: it must be host:port; ` +
			"write one, for example smtp.hve.mx.microsoft:587",
		"smtp://smtp.office365.com:587": `line 4, column 7: to: destination "smtp://smtp.office365.com:587" is not valid: ` +
			"it must be host:port; write one, for example smtp.hve.mx.microsoft:587",
		"192.0.2.1:25": `line 4, column 7: to: destination "192.0.2.1:25" is an IP address: destinations are allowed by host name; ` +
			"write one, for example smtp.hve.mx.microsoft:587",
		"[a.example:25, b.example:587]": "line 4, column 22: to has two destinations for SMTP, a.example:25 and b.example:587; " +
			"remove one of the two",
		"[a.example:993, a.example:443, b.example:8443]": "line 4, column 38: to has two destinations for tls:// listeners, " +
			"a.example:443 and b.example:8443; remove one of the two",
		"[]":          "line 4, column 7: to is an empty list; write a value or remove it",
		"{smtp: a:1}": "line 4, column 7: to must be a single value, not keys with values",
	} {
		checkProblems(t, at("  to: "+value), want)
	}
}

func TestRoutesAreChecked(t *testing.T) {
	t.Parallel()
	table := parse(t, "clients:\n- {name: b, network: 10.1.0.0/16, to: [a.example:25, b.example:443]}\n"+
		"- {name: a, host: p.example, to: mail.example.com:26}\n- {name: c, address: [10.0.0.1, 10.0.0.2], to: mail.example.com:25}\n")
	endpoint, err := policy.ParseEndpoint("mail.example.com:25")
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := policy.New("the list", []policy.Endpoint{endpoint})
	if err != nil {
		t.Fatal(err)
	}
	const want = `client "a": to=mail.example.com:26: destination "mail.example.com:26" is not allowed: ` +
		"the host's allowed ports are 25\n" +
		`client "b": to=a.example:25: destination "a.example:25" is not allowed: ` +
		"the host is not in the list and was not added to it\n" +
		`client "b": to=b.example:443: destination "b.example:443" is not allowed: ` +
		"the host is not in the list and was not added to it"
	if err := table.Check(allowed); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for _, fine := range []*Table{nil, parse(t, example), parse(t, at("  to: mail.example.com:25"))} {
		if err := fine.Check(allowed); err != nil {
			t.Error(err)
		}
	}
}

func TestUnusedRoutes(t *testing.T) {
	t.Parallel()
	table := parse(t, at("  to: [a.example:25, a.example:993, a.example:443]"))
	for text, want := range map[string][]string{
		"smtp://:587":               {`client "a": to=a.example:443`, `client "a": to=a.example:993`},
		"imaps://:993":              {`client "a": to=a.example:25`, `client "a": to=a.example:443`},
		"tls://:443":                {`client "a": to=a.example:25`, `client "a": to=a.example:993`},
		"tls://:1?to=x.example:993": {`client "a": to=a.example:25`, `client "a": to=a.example:443`},
		"proxy://:3128":             {`client "a": to=a.example:25`, `client "a": to=a.example:443`, `client "a": to=a.example:993`},
	} {
		l, err := listener.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := table.Unused([]listener.URL{l}); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if got := (*Table)(nil).Unused(nil); got != nil {
		t.Errorf("without a file: %q", got)
	}
}
