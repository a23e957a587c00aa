package check

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/sockets"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// of returns the results of a check.
func (r Report) of(name Name) (all []Result) {
	for _, one := range r.Checks {
		if one.Check == name {
			all = append(all, one)
		}
	}
	return all
}

// The addresses of the tlslift that runs are its own, and it says how many connections it
// permits.
func TestBesideOneThatRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	taken := testenv.Serve(t, func(net.Conn) {}).String()
	_, port, err := net.SplitHostPort(taken)
	must(t, err)
	w.environ["TLSLIFT_LISTEN"] = "smtp://" + taken + ",proxy://" + testenv.Serve(t, func(net.Conn) {}).String() // nobody came
	w.runs(t, `tlslift_connections_active{listener="smtp://[::]:`+port+`"} 3`+"\ntlslift_connections_limit 10000\nprocess_max_fds 65536\n")
	report := w.run(t)
	if wrong := report.wrong(); wrong != nil {
		t.Errorf("got %+v", wrong)
	}
	for _, r := range report.of(Listener) {
		certain := r.Says == "the tlslift that runs listens there"
		if !strings.HasPrefix(r.Says, "the tlslift that runs listens there") || certain == strings.HasPrefix(r.Subject, "proxy:") {
			t.Errorf("got %+v", r)
		}
	}
	if got := report.of(Running)[0]; got.Status != OK || report.of(OpenFiles)[0].Says != "the tlslift that runs permits 10000 connections" {
		t.Errorf("got %+v", got)
	}
}

// Another program at the admin address is not taken for a tlslift, whatever it answers: the
// ports of others are not its own.
func TestBesideAnotherProgram(t *testing.T) {
	t.Parallel()
	for what, handler := range map[string]http.HandlerFunc{
		"one that is ready":          func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") },
		"one with metrics":           func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\nnot_tlslift_up 1\n") },
		"one without these paths":    http.NotFound,
		"one that fails each time":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotImplemented) },
		"one with a page of its own": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
	} {
		w := newWorld(t)
		w.environ["TLSLIFT_ADMIN_LISTEN"] = serve(t, handler)
		w.environ["TLSLIFT_LISTEN"] = "smtp://" + testenv.Serve(t, func(net.Conn) {}).String()
		report := w.run(t)
		r, l := report.of(Running)[0], report.of(Listener)
		if r.Status != Failed || r.Says != "another program answers there, and not tlslift" || l[0].Status != Failed ||
			l[0].Says != "another program listens there" || l[1].Status != Failed {
			t.Errorf("%s: got %+v, %+v", what, r, l)
		}
	}
}

// Where the clients of the one that runs have come for is in use, too, if it is allowed.
func TestDestinationsOfClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const files = "contoso.sharepoint.com:443"
	w.environ["TLSLIFT_ADMIN_LISTEN"] = serveAdmin(t, "tlslift_connections_limit 10000\n",
		files, web, "elsewhere.example.com:443", "not a destination", "crl3.digicert.com:80")
	w.connectTo[files] = testenv.FreeAddress(t)
	report := w.run(t)
	var subjects []string
	for _, r := range report.of(Egress) {
		subjects = append(subjects, r.Subject)
	}
	if !slices.Equal(subjects, []string{submission, web, files}) || report.Failed != 1 {
		t.Errorf("got %q, %+v", subjects, report.wrong())
	}
}

// The rules that tlslift prints are found, as nft and iptables list them.
func TestRulesThatLeadThere(t *testing.T) {
	t.Parallel()
	m := Machine{Addresses: addresses}
	for file, url := range map[string]string{
		"redirect.nft": "redirect://:3129", "address.nft": "redirect://192.168.20.1:3129", "tproxy.nft": "tproxy://:3130",
		"tproxy-address.nft": "tproxy://127.0.0.1:3130", "redirect.sh": "redirect://:3129", "address.sh": "redirect://[fd00::1]:3129",
		"tproxy.sh": "tproxy://:3130",
	} {
		text, err := os.ReadFile(filepath.Join("..", "fwrules", "testdata", file))
		must(t, err)
		u, err := listener.Parse(url)
		must(t, err)
		if !m.leadsTo(string(text), u) {
			t.Errorf("%s: no rule leads to %s", file, url)
		}
		other := u
		other.Address = strings.TrimSuffix(u.Address, "9") + "4"
		if m.leadsTo(string(text), other) {
			t.Errorf("%s: a rule leads to %s", file, other)
		}
		if other.Scheme = listener.SchemeTPROXY; u.Scheme == listener.SchemeTPROXY {
			other.Scheme = listener.SchemeRedirect
		}
		if other.Address = u.Address; m.leadsTo(string(text), other) {
			t.Errorf("%s: a rule leads to %s", file, other)
		}
	}
}

// A rule with DNAT leads here if it leads to an address of this machine, or to nobody knows where.
func TestDNAT(t *testing.T) {
	t.Parallel()
	u, err := listener.Parse("redirect://:3129")
	must(t, err)
	m := Machine{Addresses: addresses}
	for _, rule := range []string{
		"dnat to 192.168.20.1:3129", "dnat ip to 127.0.0.1:3129", "dnat to 10.0.0.1-10.0.0.9:3129", "-j DNAT --to-destination 192.168.20.1:3129",
		"dnat to 192.168.20.2:3129\ndnat to 192.168.20.1:3129 comment", "redirect to :3129",
	} {
		if !m.leadsTo(rule, u) {
			t.Errorf("%s does not lead there", rule)
		}
	}
	m.Addresses = func() ([]net.Addr, error) { return nil, errors.New("not known") }
	if !m.leadsTo("dnat to 192.168.20.2:3129", u) {
		t.Error("without the addresses of the machine a rule does not lead there")
	}
}

// The routes that tlslift prints are found, as ip lists them, and a machine without IPv6 needs
// none for that.
func TestRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.environ["TLSLIFT_LISTEN"] = "tproxy://:3130,tproxy://192.0.2.1:3131,tproxy://[2001:db8::1]:3132"
	w.machine.Listen = func(ctx context.Context, _ listener.URL) (net.Listener, error) {
		return sockets.Open(ctx, listener.URL{Address: "127.0.0.1:0"})
	}
	printed := map[string]string{
		"nft":                          "tproxy to :3130 tproxy to 192.0.2.1:3131 tproxy to [2001:db8::1]:3132",
		"ip -4 rule show":              "32765:	from all fwmark 0x746d lookup 29805 \n",
		"ip -4 route show table 29805": "local default dev lo scope host \n",
	}
	w.machine.Output = says(printed)
	report := w.run(t)
	if got := report.of(Routing); len(got) != 3 || got[0].Status != OK || got[1].Status != OK || got[2].Status != Warning {
		t.Errorf("without IPv6: got %+v", got)
	}
	printed["ip -6 rule show"] = "32765:	from all fwmark 0x746d lookup 29805\n"
	printed["ip -6 route show table 29805"] = "local default dev lo metric 1024 pref medium\n"
	if report = w.run(t); report.wrong() != nil || len(report.of(Routing)) != 3 {
		t.Errorf("got %+v", report.wrong())
	}
}

// What root has found is what the check that acts as the service goes by; a remedy does not
// tell root to run it by sudo.
func TestRulesOfRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.environ["TLSLIFT_LISTEN"] = "redirect://:3129"
	w.machine.Listen = func(ctx context.Context, _ listener.URL) (net.Listener, error) {
		return sockets.Open(ctx, listener.URL{Address: "127.0.0.1:0"})
	}
	cfg, err := settings.Source{Environ: w.environ}.Load()
	must(t, err)
	w.byRoot = true
	for _, test := range []struct {
		output map[string]string
		want   Result
	}{
		{map[string]string{"nft": "redirect to :3129"}, Result{Status: OK, Says: "rules lead there"}},
		{map[string]string{"nft": "redirect to :1"}, Result{Status: Failed, Says: "no rule of this machine leads there"}},
		{nil, Result{
			Status: Warning, Says: "cannot be read: nft list ruleset: operation not permitted", Remedy: "install nft, or iptables-save",
		}},
	} {
		ofRoot := w.machine
		ofRoot.Output = says(test.output)
		w.rules = FromRoot(ForService(t.Context(), cfg, ofRoot))
		got := w.run(t).of(FirewallRules)
		if len(got) != 1 || got[0].Status != test.want.Status || !strings.Contains(got[0].Says, test.want.Says) ||
			test.want.Remedy != "" && got[0].Remedy != test.want.Remedy {
			t.Errorf("got %+v, want %+v", got, test.want)
		}
	}
	for _, broken := range []string{"", "{", "rules"} {
		if _, err := FromRoot(strings.NewReader(broken))(t.Context()); err == nil {
			t.Errorf("%q: no error", broken)
		}
	}
	// Nobody asks for rules that no listener needs.
	cfg.Listen = nil
	rules, err := FromRoot(ForService(t.Context(), cfg, Machine{}))(t.Context())
	if rules != "" || err != nil {
		t.Errorf("got %q, %v", rules, err)
	}
}

// A destination that says nothing is not waited for when a person ends the check; what has
// not come to its end has failed.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	silent := testenv.Serve(t, func(conn net.Conn) {
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	}).String()
	w.environ["TLSLIFT_CONNECT_TO"] = submission + "=" + silent + "," + web + "=" + silent
	o := Options{Load: settings.Source{Environ: w.environ}.Load, Machine: w.machine}
	report := o.Run(ctx, func(Result) {})
	if wrong := report.wrong(); len(wrong) != 2 || report.Err(false) == nil ||
		slices.ContainsFunc(wrong, func(r Result) bool { return r.Says != "interrupted" || !strings.Contains(r.Remedy, "--timeout") }) {
		t.Errorf("got %+v", wrong)
	}
}

// Without time nothing is well.
func TestNoTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.timeout = 1
	if wrong := w.run(t).wrong(); len(wrong) != 2 || wrong[0].Says != "no time was left for it" {
		t.Errorf("got %+v", wrong)
	}
}

// Destinations are looked up and reached as the service does it: through its proxy.
func TestThroughTheProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.environ["TLSLIFT_UPSTREAM_PROXY"] = "http://user:hunter2@" + testenv.FreeAddress(t)
	report := w.run(t)
	for _, r := range report.of(DNS) {
		if r.Status != Skipped || !strings.Contains(r.Says, "looks names up") {
			t.Errorf("got %+v", r)
		}
	}
	text, err := json.Marshal(report)
	must(t, err)
	if len(report.of(Egress)) != 2 || report.Failed != 2 || strings.Contains(string(text), "hunter2") {
		t.Errorf("got %s", text)
	}
}

// What is in use is what the settings name.
func TestTargets(t *testing.T) {
	t.Parallel()
	clients := testenv.WriteFile(t, "clients.yaml", []byte("clients:\n- {name: b, address: 10.0.0.1, to: smtp.hve.mx.microsoft:587}\n"+
		"- {name: a, network: 10.1.0.0/16, to: ['mx.mail.protection.outlook.com:25', 'outlook.office365.com:443']}\n"))
	for environ, want := range map[[2]string][]string{
		{"LISTEN", "smtps://:465,imap://:143,pop3s://:995"}: {submission, "outlook.office365.com:993", "outlook.office365.com:995"},
		{"LISTEN", "tls://:8443"}:                           {web},
		{"LISTEN", "tls://:993?port=993"}:                   {"outlook.office365.com:993"},
		{"LISTEN", "redirect://:3129"}:                      {web, submission},
		{"DESTINATIONS", "a.example.com:80,a.example.com:8443,*.example.net:443,b.example.com:80"}: {
			web, submission, "a.example.com:8443",
		},
		{"CLIENTS_FILE", clients}:  {web, submission, "mx.mail.protection.outlook.com:25", "smtp.hve.mx.microsoft:587"},
		{"M365_REFRESH", "true"}:   {web, submission, "endpoints.office.com:443"},
		{"M365_INSTANCE", "china"}: {"partner.outlook.cn:443", "partner.outlook.cn:587"},
	} {
		cfg, err := settings.Source{Environ: map[string]string{"HOME": "/x", "LOCALAPPDATA": "/x", "TLSLIFT_" + environ[0]: environ[1]}}.Load()
		must(t, err)
		c := checker{Options: Options{Load: func() (*settings.Config, error) { return cfg, nil }}}
		c.Machine.Now = time.Now
		if found, usable := c.configuration(); !usable {
			t.Fatalf("%v: %+v", environ, found)
		}
		var got []string
		for _, target := range c.targets {
			got = append(got, target.to.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: got %q, want %q", environ, got, want)
		}
	}
}

// A destination of the operator's own may have an authority of its own.
func TestOwnDestination(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const own = "relay.office365.com:8443" // the CA of the test may sign for it
	of := firewall(t)
	server, err := of.ServeHTTPS(fakem365.TLSOptions{Names: []string{"relay.office365.com"}})
	must(t, err)
	w.environ["TLSLIFT_DESTINATIONS"], w.connectTo[own] = own, server.Addr()
	if wrong := w.run(t).wrong(); len(wrong) != 1 || wrong[0].Check != Certificate {
		t.Errorf("an authority that nobody trusts: %+v", wrong)
	}
	w.environ["TLSLIFT_UPSTREAM_CA_FILE"] = testenv.WriteFile(t, "both.pem", append(w.fake.RootPEM(), of.RootPEM()...))
	if wrong := w.run(t).wrong(); wrong != nil {
		t.Errorf("an authority that is trusted: %+v", wrong)
	}
}

// The names in JSON, and the words in a terminal, are a public interface.
func TestPrinting(t *testing.T) {
	t.Parallel()
	var report Report
	for _, r := range []Result{
		{Check: Listener, Subject: "smtp://:587", Status: OK, Says: "good"},
		{Check: SignIn, Subject: "scan@contoso.com", Status: Failed, Says: "bad\x1b[0m", Reason: "token_refused", Remedy: "do it"},
		{Check: Clock, Status: Warning, Says: "odd", Remedy: "see"},
		{Check: DNS, Status: Skipped, Says: "no"},
	} {
		report.add(r)
	}
	print := func(p Printer) string {
		var b strings.Builder
		p.Out = &b
		for _, r := range report.Checks {
			p.Each(r)
		}
		must(t, p.End(report))
		return b.String()
	}
	for name, p := range map[string]Printer{"table.txt": {}, "colours.txt": {Colours: true}, "report.json": {JSON: true, Colours: true}} {
		testenv.WantFile(t, filepath.Join("testdata", name), print(p))
	}
	if err := report.Err(false); err == nil || err.Error() != "1 check failed, 1 warning" {
		t.Errorf("got %v", err)
	}
	if err := (Printer{Out: broken{}}).End(report); err == nil {
		t.Error("nobody reads, and that is no error")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("nobody reads") }

// The public authorities are there, and those of firewalls are not.
func TestPublicRoots(t *testing.T) {
	t.Parallel()
	roots := publicRoots()
	if roots.Equal(x509.NewCertPool()) {
		t.Error("there are none")
	}
	of := testenv.NewAuthority(t, "a firewall", testenv.RSAKey(t, 0)).Certificate
	if _, err := of.Verify(x509.VerifyOptions{Roots: roots}); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("got %v", err)
	}
}

// What a tlslift that runs says is read as far as it is understood.
func FuzzMetrics(f *testing.F) {
	f.Add([]byte("# HELP x\ntlslift_connections_active{listener=\"smtp://[::]:587\"} 1\ntlslift_connections_limit 5\nprocess_max_fds 1e9\n"))
	f.Add([]byte("tlslift_connections_limit NaN\nprocess_max_fds -1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r running
		r.read(text)
		if r.connections < 0 || slices.Contains(r.listeners, "") {
			t.Errorf("%q gave %+v", text, r)
		}
	})
}
