package proxy_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tlslift/tlslift"

// layers are our packages from the bottom up. A package imports only packages of
// lower layers, and those of its own layer that siblings names. A name that ends
// in /... stands for all packages below it.
var layers = []struct {
	name     string
	packages []string
}{
	{"words", []string{"proxy/record", "proxy/netname", "proxy/atomicfile", "proxy/secretfile", "proxy/spelling", "proxy/yamlfile"}},
	{"parsers and keepers", []string{
		"proxy/admission", "proxy/aescbc", "proxy/clienthello", "proxy/clientfile", "proxy/copybuffer", "proxy/entra", "proxy/greeting",
		"proxy/httpline", "proxy/leafrsa", "proxy/legacytls", "proxy/listener", "proxy/localca",
		"proxy/m365", "proxy/mail/dialect", "proxy/origdst", "proxy/policy", "proxy/refusedhello", "proxy/sasl", "proxy/signin",
		"proxy/silence", "proxy/smtptext", "proxy/sockets", "proxy/splice", "proxy/stack", "proxy/standby",
		"proxy/ticketkeys", "proxy/turns", "proxy/upstream",
	}},
	{"steps", []string{
		"proxy/clienttls", "proxy/decide", "proxy/dialogue", "proxy/helloanswer", "proxy/httpproxy", "proxy/mail", "proxy/proxyheader",
		"proxy/relay",
	}},
	{"proxy", []string{"proxy"}},
	{"metrics", []string{"metrics", "metrics/..."}},
	{"fake servers", []string{"proxy/fakem365", "proxy/fakem365/..."}},
	{"cmd", []string{"cmd/..."}},
	{"test set-up", []string{"proxy/testenv"}},
	{"tests of the whole", []string{"proxy/cost", "proxy/soak", "proxy/faults", "proxy/model", "proxy/attacks"}},
}

// siblings are the imports within a layer.
var siblings = map[string][]string{
	"proxy/clientfile":   {"proxy/listener", "proxy/policy"},
	"proxy/listener":     {"proxy/policy"},
	"proxy/legacytls":    {"proxy/aescbc"},
	"proxy/localca":      {"proxy/leafrsa"},
	"proxy/m365":         {"proxy/policy"},
	"proxy/sockets":      {"proxy/listener", "proxy/origdst", "proxy/upstream"},
	"proxy/refusedhello": {"proxy/policy"},
	"proxy/proxyheader":  {"proxy/relay"},
	"proxy/clienttls":    {"proxy/decide", "proxy/relay"},
	"proxy/helloanswer":  {"proxy/relay"},
	"proxy/httpproxy":    {"proxy/relay"},
	"proxy/dialogue":     {"proxy/relay"},
	"proxy/mail/dialect": {"proxy/sasl"},
	"proxy/mail":         {"proxy/dialogue", "proxy/relay"},
	"metrics":            {"metrics/clientseries", "metrics/probes", "metrics/tenant"},
	"metrics/admin":      {"metrics/loadlimit", "metrics/webconfig"},
	"metrics/webconfig":  {"metrics/loadlimit"},
	"metrics/inventory":  {"metrics/burndown"},
	"metrics/statuspage": {
		"metrics/burndown", "metrics/inventory", "metrics/loadlimit", "metrics/probes", "metrics/report",
		"metrics/statuspage/guides", "metrics/statuspage/pac", "metrics/statuspage/pkcs7", "metrics/summary", "metrics/tenant", "metrics/wording",
	},
	"metrics/report":           {"metrics/inventory", "metrics/summary", "metrics/wording"},
	"metrics/summary":          {"metrics/inventory", "metrics/wording"},
	"proxy/fakem365":           {"proxy/fakem365/legacyclient"},
	"proxy/fakem365/fakeentra": {"proxy/fakem365"},
	"proxy/fakem365/mailbox":   {"proxy/fakem365"},
	"proxy/yamlfile":           {"proxy/netname", "proxy/spelling"},
	"cmd/tlslift": {
		"cmd/tlslift/internal/adminclient", "cmd/tlslift/internal/check", "cmd/tlslift/internal/checkclient",
		"cmd/tlslift/internal/clientcsv", "cmd/tlslift/internal/clientlist",
		"cmd/tlslift/internal/configcheck", "cmd/tlslift/internal/coredumps",
		"cmd/tlslift/internal/demo", "cmd/tlslift/internal/deviceca", "cmd/tlslift/internal/devicetest", "cmd/tlslift/internal/endpoints",
		"cmd/tlslift/internal/fwrules", "cmd/tlslift/internal/logging", "cmd/tlslift/internal/login",
		"cmd/tlslift/internal/mailboxes", "cmd/tlslift/internal/mailcheck", "cmd/tlslift/internal/ownca",
		"cmd/tlslift/internal/packaged", "cmd/tlslift/internal/password",
		"cmd/tlslift/internal/roff", "cmd/tlslift/internal/sandbox",
		"cmd/tlslift/internal/service", "cmd/tlslift/internal/serviceuser",
		"cmd/tlslift/internal/settings", "cmd/tlslift/internal/setup", "cmd/tlslift/internal/statefile",
		"cmd/tlslift/internal/timerslack", "cmd/tlslift/internal/warnings", "cmd/tlslift/internal/watch",
		"cmd/tlslift/internal/winservice",
	},
	"cmd/tlslift/internal/watch": {"cmd/tlslift/internal/adminclient"},
	"cmd/tlslift-bench": {
		"cmd/tlslift-bench/internal/backend", "cmd/tlslift-bench/internal/bench", "cmd/tlslift-bench/internal/cli",
		"cmd/tlslift-bench/internal/load",
	},
	"cmd/tlslift-bench/internal/backend": {"cmd/tlslift-bench/internal/identity"},
	"cmd/tlslift-bench/internal/bench": {
		"cmd/tlslift-bench/internal/backend", "cmd/tlslift-bench/internal/identity", "cmd/tlslift-bench/internal/load",
		"cmd/tlslift-bench/internal/machine", "cmd/tlslift-bench/internal/procstat", "cmd/tlslift-bench/internal/stats",
		"cmd/tlslift-bench/internal/subject",
	},
	"cmd/tlslift-bench/internal/cli": {
		"cmd/tlslift-bench/internal/bench", "cmd/tlslift-bench/internal/report", "cmd/tlslift-bench/internal/subject",
	},
	"cmd/tlslift-bench/internal/load":    {"cmd/tlslift-bench/internal/backend", "cmd/tlslift-bench/internal/identity"},
	"cmd/tlslift-bench/internal/report":  {"cmd/tlslift-bench/internal/bench", "cmd/tlslift-bench/internal/subject"},
	"cmd/tlslift-bench/internal/subject": {"cmd/tlslift-bench/internal/identity"},
	"cmd/tlslift/internal/service": {
		"cmd/tlslift/internal/adminclient", "cmd/tlslift/internal/allowlist", "cmd/tlslift/internal/crl", "cmd/tlslift/internal/egress",
		"cmd/tlslift/internal/gcpace", "cmd/tlslift/internal/inherited", "cmd/tlslift/internal/listenerror",
		"cmd/tlslift/internal/logging", "cmd/tlslift/internal/mailboxes",
		"cmd/tlslift/internal/memorylimit", "cmd/tlslift/internal/openfiles", "cmd/tlslift/internal/probe",
		"cmd/tlslift/internal/sandbox", "cmd/tlslift/internal/sdnotify", "cmd/tlslift/internal/settings",
		"cmd/tlslift/internal/statefile", "cmd/tlslift/internal/successor", "cmd/tlslift/internal/warnings",
	},
	"cmd/tlslift/internal/check": {
		"cmd/tlslift/internal/adminclient", "cmd/tlslift/internal/configcheck", "cmd/tlslift/internal/deviceca",
		"cmd/tlslift/internal/egress", "cmd/tlslift/internal/endpoints", "cmd/tlslift/internal/listenerror", "cmd/tlslift/internal/mailboxes",
		"cmd/tlslift/internal/mailcheck", "cmd/tlslift/internal/openfiles", "cmd/tlslift/internal/printing",
		"cmd/tlslift/internal/settings", "cmd/tlslift/internal/warnings",
	},
	"cmd/tlslift/internal/devicetest": {
		"cmd/tlslift/internal/checkclient", "cmd/tlslift/internal/devicetest/plan", "cmd/tlslift/internal/devicetest/sink",
		"cmd/tlslift/internal/endpoints", "cmd/tlslift/internal/listenerror", "cmd/tlslift/internal/printing",
		"cmd/tlslift/internal/settings",
	},
	"cmd/tlslift/internal/devicetest/plan": {"cmd/tlslift/internal/devicetest/sink"},
	"cmd/tlslift/internal/crl":             {"cmd/tlslift/internal/deviceca"},
	"cmd/tlslift/internal/deviceca": {
		"cmd/tlslift/internal/endpoints", "cmd/tlslift/internal/keystore", "cmd/tlslift/internal/printing",
		"cmd/tlslift/internal/settings", "cmd/tlslift/internal/stateowner",
	},
	"cmd/tlslift/internal/checkclient": {
		"cmd/tlslift/internal/adminclient", "cmd/tlslift/internal/printing", "cmd/tlslift/internal/settings",
	},
	"cmd/tlslift/internal/configcheck": {
		"cmd/tlslift/internal/egress", "cmd/tlslift/internal/mailboxes", "cmd/tlslift/internal/settings",
	},
	"cmd/tlslift/internal/successor":   {"cmd/tlslift/internal/inherited"},
	"cmd/tlslift/internal/adminclient": {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/allowlist":   {"cmd/tlslift/internal/egress", "cmd/tlslift/internal/settings", "cmd/tlslift/internal/statefile"},
	"cmd/tlslift/internal/login": {
		"cmd/tlslift/internal/mailboxes", "cmd/tlslift/internal/settings", "cmd/tlslift/internal/stateowner",
	},
	"cmd/tlslift/internal/mailboxes": {
		"cmd/tlslift/internal/egress", "cmd/tlslift/internal/settings", "cmd/tlslift/internal/stateowner",
	},
	"cmd/tlslift/internal/mailcheck": {
		"cmd/tlslift/internal/egress", "cmd/tlslift/internal/mailboxes", "cmd/tlslift/internal/printing", "cmd/tlslift/internal/settings",
	},
	"cmd/tlslift/internal/egress":    {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/endpoints": {"cmd/tlslift/internal/printing", "cmd/tlslift/internal/settings", "cmd/tlslift/internal/statefile"},
	"cmd/tlslift/internal/fwrules":   {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/ownca": {
		"cmd/tlslift/internal/adminclient", "cmd/tlslift/internal/deviceca", "cmd/tlslift/internal/endpoints", "cmd/tlslift/internal/keystore",
		"cmd/tlslift/internal/password", "cmd/tlslift/internal/printing", "cmd/tlslift/internal/settings", "cmd/tlslift/internal/stateowner",
	},
	"cmd/tlslift/internal/packaged":   {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/printing":   {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/sandbox":    {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/setup":      {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/statefile":  {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/stateowner": {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/warnings":   {"cmd/tlslift/internal/settings"},
	"cmd/tlslift/internal/winservice": {"cmd/tlslift/internal/logging"},
}

// never are imports that a layer permits and the design does not: who watches
// connections knows their record, not the proxy; what serves tests is not in the
// program.
var never = map[string][]string{
	"metrics/...": {
		"proxy", "proxy/clienttls", "proxy/decide", "proxy/dialogue",
		"proxy/httpproxy", "proxy/mail", "proxy/mail/dialect", "proxy/relay", "proxy/upstream",
	},
	"cmd/...": {"proxy/fakem365/mailbox", "proxy/testenv"},
}

// testModules are modules that only tests import.
var testModules = []string{
	"github.com/Shopify/toxiproxy", "github.com/chromedp", "github.com/emersion/go-imap", "github.com/emersion/go-message",
	"pgregory.net/rapid",
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string // all that it imports, directly or not
}

// name returns the import path without the module's.
func (p goPackage) name() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", module+"/...").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// matches reports whether a package is pattern, or is below it if that ends in
// "/...".
func matches(pattern, name string) bool {
	above, below := strings.CutSuffix(pattern, "/...")
	return pattern == name || below && strings.HasPrefix(name, above+"/")
}

// layerOf returns the index of a package's layer; -1 if it has none.
func layerOf(name string) int {
	for i, l := range layers {
		if slices.ContainsFunc(l.packages, func(pattern string) bool { return matches(pattern, name) }) {
			return i
		}
	}
	return -1
}

func TestLayers(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		layer := layerOf(p.name())
		if layer < 0 {
			t.Errorf("package %s is in no layer: find its place in the list of layers", p.name())
			continue
		}
		for _, i := range p.Imports {
			imported, ours := strings.CutPrefix(i, module+"/")
			if !ours {
				continue
			}
			of := layerOf(imported)
			if of > layer || of == layer && !slices.Contains(siblings[p.name()], imported) {
				t.Errorf("%s (layer %s) imports %s (layer %s)", p.name(), layers[layer].name, imported, layers[of].name)
			}
			for pattern, forbidden := range never {
				if (pattern == p.name()+"/..." || matches(pattern, p.name())) && slices.Contains(forbidden, imported) {
					t.Errorf("%s imports %s, which the design does not allow", p.name(), imported)
				}
			}
		}
	}
}

// Each third-party module is imported by one package, so that replacing it is
// a change in one place.
func TestEachModuleHasOneImporter(t *testing.T) {
	t.Parallel()
	importers := map[string][]string{}
	for _, p := range listPackages(t) {
		mods := map[string]bool{}
		for _, i := range p.Imports {
			host, _, _ := strings.Cut(i, "/")
			// golang.org/x is as free as the standard library.
			if !strings.Contains(host, ".") || strings.HasPrefix(i, module) || strings.HasPrefix(i, "golang.org/x/") {
				continue
			}
			parts := strings.SplitN(i, "/", 4)
			mods[strings.Join(parts[:min(3, len(parts))], "/")] = true
		}
		for m := range mods {
			importers[m] = append(importers[m], p.name())
		}
	}
	for m, by := range importers {
		if len(by) > 1 {
			t.Errorf("%s is imported by %s; one package should", m, strings.Join(by, ", "))
		}
	}
	if len(importers) == 0 {
		t.Error("found no third-party module at all: the test looks at the wrong thing")
	}
}

// What only tests need is not in the program.
func TestProgramHasNothingOfTests(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if p.name() != "cmd/tlslift" {
			continue
		}
		if !slices.Contains(p.Deps, module+"/proxy") {
			t.Error("the program does not have the proxy: the test looks at the wrong thing")
		}
		for _, d := range p.Deps {
			if slices.Contains(never["cmd/..."], strings.TrimPrefix(d, module+"/")) {
				t.Errorf("the program has %s, which is for tests only", d)
			}
			if slices.ContainsFunc(testModules, func(m string) bool { return strings.HasPrefix(d, m) }) {
				t.Errorf("the program has %s, which is for tests only", d)
			}
		}
		return
	}
	t.Error("found no program")
}
