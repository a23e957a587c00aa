package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

const dashboardFile = "../../../deploy/grafana/dashboard.json"

// A dashboard is what the tests look at in Grafana's model of one.
type dashboard struct {
	Panels      []panel
	Templating  struct{ List []variable }
	Annotations struct{ List []target }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []target
	FieldConfig              struct{ Defaults struct{ Unit string } }
}

type target struct{ Expr string }

type variable struct {
	Name, Type string
	Definition string
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(readFile(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// questions are all that a dashboard asks Prometheus, with its variables
// replaced as Grafana does when nothing is chosen.
func (d dashboard) questions() map[string]bool {
	all := map[string]bool{}
	add := func(q string) {
		all[strings.NewReplacer("$job", ".+", "$instance", ".+", "$client", ".+",
			"$__rate_interval", "1m", "$__range", "3600s").Replace(q)] = true
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			add(v.Definition)
		}
	}
	for _, a := range d.Annotations.List {
		add(a.Expr)
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			add(q.Expr)
		}
	}
	return all
}

// Each panel says what it shows and in which unit, and stands where no other
// one does.
func TestDashboardIsWhole(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: another panel has the id %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s is where %q is, or outside", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d (%s) lacks a title, a description, a unit or a query", p.ID, p.Title)
		}
	}
	for q := range d.questions() {
		if strings.Contains(q, "$") {
			t.Errorf("a variable that the tests do not know: %s", q)
		}
	}
}

// quiet are the alerts that nothing in the office below gives rise to.
var quiet = map[string]string{
	"TLSLiftDown":                   "tlslift runs",
	"TLSLiftAbsent":                 "Prometheus has it as a target",
	"TLSLiftReloadFailed":           "nothing is reloaded",
	"TLSLiftNotAccepting":           "there are few connections",
	"TLSLiftManyClientsFailing":     "few clients fail",
	"TLSLiftClientFailingDaily":     "who fails, fails often",
	"TLSLiftNearConnectionLimit":    "there are few connections",
	"TLSLiftLogLinesDropped":        "the test reads the log",
	"TLSLiftClientSilent":           "nobody has been silent for a day",
	"TLSLiftClientStoppedSending":   "nobody has been silent for a day",
	"TLSLiftNewLegacyClient":        "on the first day all clients are new",
	"TLSLiftNobodyLifted":           "clients are lifted",
	"TLSLiftClientsOverflowing":     "there are few clients",
	"TLSLiftTokensFailing":          "nobody needs a token",
	"TLSLiftCredentialExpiresSoon":  "the secret serves for years",
	"TLSLiftMailboxQueue":           "nobody waits for the mailbox",
	"TLSLiftMailboxThrottled":       "nobody has waited",
	"TLSLiftManyWrongPasswords":     "one device has tried once",
	"TLSLiftWrongPasswordsFromMany": "one device has tried once",
	"TLSLiftCAExpiresSoon":          "the CA was made now",
	"TLSLiftCAExpiresVerySoon":      "the CA was made now",
	"TLSLiftCAFilesUnusable":        "the CA was made now",
	"TLSLiftEndpointsStale":         "nobody asks for a newer list",
}

// ofAge are the alerts that depend on the day on which the test runs.
var ofAge = []string{"TLSLiftEndpointsOld"}

// An office is a tlslift with clients of all kinds, each with an address of its
// own.
type office struct {
	*tlslift
	https *nginx
	smtp  string // host:port of the smtp:// listener
}

const scanner = `scanner "2nd floor"`

func startOffice(t *testing.T) *office {
	t.Helper()
	s := startMailServer(t, mailOptions{})
	o := &office{https: startNginx(t, s.pki, modernTLS, false, nil), smtp: testenv.FreeAddress(t)}
	clients := filepath.Join(t.TempDir(), "clients.yaml")
	if err := os.WriteFile(clients, []byte("clients: [{name: '"+scanner+"', address: 127.0.0.4}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.tlslift = start(t, "", s.pki.pem, "TLSLIFT_LISTEN=proxy://{proxy},smtp://"+o.smtp+",imaps://"+testenv.FreeAddress(t),
		"TLSLIFT_PROBE_INTERVAL=10s", "TLSLIFT_CLIENTS_FILE="+clients,
		"TLSLIFT_SIGNIN_FILE="+fileOfOneClient(t),
		"TLSLIFT_CONNECT_TO="+host+":443="+o.https.address+","+smtpHost+":587="+s.at[587]+","+host+":993="+testenv.RefusingAddress(t))
	return o
}

// fileOfOneClient writes a file by which 127.0.0.7 alone signs in.
func fileOfOneClient(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"app-secret": "the secret of the application", "copier": "the password of the copier",
		"signin.yaml": `tenant: contoso.onmicrosoft.com
application: {id: 11111111-2222-3333-4444-555555555555, secret_file: app-secret, expires: 2099-12-31}
mailboxes: [{address: scan@contoso.com, logins: [{name: copier1, secret_file: copier, clients: [127.0.0.7]}]}]
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "signin.yaml")
}

// mistype lets a device sign in with a wrong password, once.
func (o *office) mistype(t *testing.T) {
	t.Helper()
	out, err := curlMail(t, mailCall{
		level: atTLS10, protocol: "smtp", tlsMode: startTLS, address: o.smtp, caFile: o.caFile,
		to: "office@example.com", more: []string{"--interface", "127.0.0.7", "-u", "copier1:an old password"},
	})
	if err == nil {
		t.Fatalf("a wrong password is taken:\n%s", out)
	}
}

// day lets each client connect once.
func (o *office) day(t *testing.T) {
	t.Helper()
	curl := func(address, caFile, url string, more ...string) (string, error) {
		return run(t, "", "curl", append([]string{"-sS", "--interface", address, "--cacert", caFile, "-x", "http://" + o.proxy, url}, more...)...)
	}
	url, tls10 := "https://"+host+"/", []string{"--tls-max", "1.0", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0"}
	if out, err := curl("127.0.0.2", o.caFile, "https://"+host+":993/"); err == nil {
		t.Fatalf("a dead destination answered:\n%s", out)
	}
	if out, err := curl("127.0.0.2", o.caFile, url, tls10...); err != nil {
		t.Fatalf("the old client: %v\n%s", err, out)
	}
	if out, err := curl("127.0.0.3", o.https.rootFile(), url); err != nil {
		t.Fatalf("the new client: %v\n%s", err, out)
	}
	if out, err := curl("127.0.0.4", o.https.rootFile(), url, tls10...); err == nil {
		t.Fatalf("the client without the CA got:\n%s", out)
	}
	out, err := curlMail(t, mailCall{
		level: atTLS10, protocol: "smtp", tlsMode: startTLS, address: o.smtp, caFile: o.caFile,
		to: "office@example.com", more: []string{"--interface", "127.0.0.6"},
	})
	if err != nil {
		t.Fatalf("the printer: %v\n%s", err, out)
	}
}

// All that the dashboard and the rules ask has an answer in a real Prometheus,
// and what goes wrong in the office is what alerts fire about.
func TestPrometheusWatchesAnOffice(t *testing.T) {
	t.Parallel()
	onlyLinux(t) // which has the whole of 127.0.0.0/8
	testenv.Need(t, "prometheus", "curl")
	o := startOffice(t)
	o.mistype(t)
	p := startPrometheus(t, o.admin)
	open := readDashboard(t).questions()
	for q := range p.questions() {
		open[q] = true
	}
	deadline := time.Now().Add(2 * testenv.Patience)
	for len(open) > 0 && time.Now().Before(deadline) {
		o.day(t)
		maps.DeleteFunc(open, func(q string, _ bool) bool { return p.has(q) })
	}
	for q := range open {
		t.Errorf("Prometheus has no answer to: %s", q)
	}
	p.expectAlerts(map[string]firedAlert{
		"TLSLiftClientFailing": {
			Labels:      map[string]string{"client": scanner, "severity": "warning"},
			Annotations: map[string]string{"description": "Last reason: client_unknown_ca."},
		},
		"TLSLiftProbeFailing": {
			Labels:      map[string]string{"destination": host + ":993", "severity": "critical"},
			Annotations: map[string]string{"description": "Last reason: upstream_connection_refused."},
		},
		"TLSLiftUpstreamFailing": {
			Labels:      map[string]string{"destination": host + ":993", "severity": "critical"},
			Annotations: map[string]string{"summary": host + ":993"},
		},
	})
	shown := o.get(t, "/")
	for _, part := range []string{"Probes by tlslift itself", "/reasons#upstream_connection_refused", "Last round"} {
		if !strings.Contains(shown, part) {
			t.Errorf("the status page does not show %q of the probes", part)
		}
	}
}

// questions are the expressions of the rules, but those of alerts that should
// be quiet. Waiting for the others includes waiting until the rules are loaded
// and the alerts can fire.
func (p *prometheus) questions() map[string]bool {
	p.t.Helper()
	all := map[string]bool{}
	for deadline := time.Now().Add(testenv.Patience); len(all) == 0 && time.Now().Before(deadline); {
		for _, r := range p.rules() {
			if r.Type == "recording" || quiet[r.Name] == "" && !slices.Contains(ofAge, r.Name) {
				all[r.Query] = true
			}
		}
		<-time.After(20 * time.Millisecond)
	}
	if len(all) == 0 {
		p.t.Fatal("Prometheus has loaded no rules")
	}
	for name := range quiet {
		if !slices.ContainsFunc(p.rules(), func(r rule) bool { return r.Name == name }) {
			p.t.Errorf("there is no alert %s to be quiet", name)
		}
	}
	return all
}

// expectAlerts waits until just the given alerts fire, each about what is given, and expects no
// rule that fails. Another may fire for a moment: about a client that was scraped between a
// failure and its next success.
func (p *prometheus) expectAlerts(want map[string]firedAlert) {
	p.t.Helper()
	firing := p.firing()
	for deadline := time.Now().Add(testenv.Patience); !isJust(firing, want) && time.Now().Before(deadline); firing = p.firing() {
		<-time.After(20 * time.Millisecond)
	}
	for _, name := range ofAge {
		delete(firing, name)
	}
	for name, alerts := range firing {
		w, ok := want[name]
		if !ok || len(alerts) != 1 {
			p.t.Errorf("%s fires: %v", name, alerts)
			continue
		}
		for _, parts := range [][2]map[string]string{{alerts[0].Labels, w.Labels}, {alerts[0].Annotations, w.Annotations}} {
			for k, v := range parts[1] {
				if !strings.Contains(parts[0][k], v) {
					p.t.Errorf("%s: %s is %q, want %q in it", name, k, parts[0][k], v)
				}
			}
		}
	}
	for name := range want {
		if firing[name] == nil {
			p.t.Errorf("%s does not fire", name)
		}
	}
	for _, r := range p.rules() {
		if r.Health != "ok" {
			p.t.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
		}
	}
}

// isJust reports whether each wanted alert fires for one thing, and no other does.
func isJust(firing map[string][]firedAlert, want map[string]firedAlert) bool {
	for name := range want {
		if len(firing[name]) != 1 {
			return false
		}
	}
	for name := range firing {
		if _, wanted := want[name]; !wanted && !slices.Contains(ofAge, name) {
			return false
		}
	}
	return true
}
