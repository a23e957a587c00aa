package fwrules

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// rulesCases are the rules that are in testdata; for those after the first, one
// service is enough to show what differs.
var rulesCases = []struct {
	name, listen string
	options      Options
}{
	{"redirect.nft", "redirect://:3129", Options{}},
	{"tproxy.nft", "tproxy://:3130", Options{Services: []string{"sharepoint"}}},
	{"tproxy-address.nft", "redirect://:3129,tproxy://127.0.0.1:3130,tproxy://[::1]:3131",
		Options{TPROXY: true, Services: []string{"sharepoint"}}},
	{"address.nft", "redirect://192.168.20.1:3129", Options{Services: []string{"exchange"}, Interfaces: []string{"eth1", "wlan0"}}},
	{"local.nft", "redirect://0.0.0.0:3129?unmatched=bypass&ports=2525:smtp",
		Options{Services: []string{"sharepoint", "common"}, Local: true, Interfaces: []string{"eth1"}}},
	{"redirect.sh", "redirect://:3129", Options{IPTables: true}},
	{"address.sh", "redirect://[fd00::1]:3129",
		Options{IPTables: true, Services: []string{"sharepoint"}, Interfaces: []string{"eth1"}, Local: true, Table: "other"}},
	{"tproxy.sh", "tproxy://:3130", Options{IPTables: true, Services: []string{"sharepoint"}}},
	{"routes.sh", "tproxy://:3130", Options{Routes: true}},
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, test := range rulesCases {
		got := textOf(t, test.listen, test.options)
		testenv.WantFile(t, filepath.Join("testdata", test.name), got)
		for line := range strings.Lines(got) {
			if strings.TrimRight(line, " \t\n") != strings.TrimSuffix(line, "\n") {
				t.Errorf("%s: blanks at the end of %q", test.name, line)
			}
		}
	}
}

// textOf returns the rules for listeners, with defaults for all other settings.
func textOf(t *testing.T, listen string, o Options) string {
	t.Helper()
	if o.Table == "" {
		o.Table = DefaultTable
	}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	cfg, err := settings.Source{Environ: map[string]string{"TLSLIFT_LISTEN": listen, "TLSLIFT_STATE_DIR": t.TempDir()}}.Load()
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := m365.New(cfg.Instance, cfg.Destinations)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(o, Input{
		Listeners: cfg.Listen, ClientNets: cfg.ClientNets, Mark: cfg.UpstreamMark.Value,
		Policy: allowed, Destinations: cfg.Destinations,
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A path is one word of the shell, on one line, whatever it has.
func TestShellWord(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/etc/tlslift.env": "/etc/tlslift.env",
		"a b":              "'a b'",
		"it's\nflush":      `'it'\''s�flush'`,
	} {
		if got := shellWord(path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}
