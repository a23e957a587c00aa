package fwrules

import (
	"os"
	"os/exec"
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

// oldTool stands for iptables and ip6tables of old systems: it notes what it does, prints what
// it looks for as iptables-nft up to 1.8.7 does, and has no table nat for IPv6 if MISSING is
// set, as kernels before 3.7 and OpenWrt 21.02 without kmod-ipt-nat6.
const oldTool = `#!/bin/sh
name=${0##*/}
case "$name $MISSING" in ip6tables*" yes") echo "$name: can't initialize table nat: Table does not exist" >&2; exit 3; esac
case "$*" in
*" -C "*) echo "TLSLIFT-IN  tcp opt -- in * out *"; test -e "$0.hooked"; exit;;
*" -I "*) touch "$0.hooked";;
*" -D "*) exit 1;;
esac
case "$name" in *-restore) cat >/dev/null; esac
echo "$name $*" >>"${0%/*}/did"
`

// The script prints nothing on old systems but what they lack, and does all the rest.
func TestOldIPTables(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "sh")
	script := textOf(t, "redirect://:3129", Options{IPTables: true, Services: []string{"sharepoint"}})
	for name, tt := range map[string]struct {
		missing, says string
		did           []string
	}{
		"iptables-nft 1.8.7": {"", "", []string{
			"iptables-restore -w", "-I PREROUTING", "ip6tables-restore -w", "ip6tables -w -t nat -I PREROUTING",
		}},
		"no NAT of IPv6": {"yes", "IPv6 is not caught: ip6tables has no table nat here\n", []string{"iptables-restore -w", "-I PREROUTING"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, tool := range []string{"iptables", "ip6tables", "iptables-restore", "ip6tables-restore"} {
				if err := os.WriteFile(filepath.Join(dir, tool), []byte(oldTool), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				cmd := exec.Command("sh", "-s")
				cmd.Stdin = strings.NewReader(script)
				cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "MISSING=" + tt.missing}
				if out, err := cmd.CombinedOutput(); err != nil || string(out) != tt.says {
					t.Errorf("%v: it says %q, want %q", err, out, tt.says)
				}
			}
			did, err := os.ReadFile(filepath.Join(dir, "did"))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.did {
				if !strings.Contains(string(did), want) {
					t.Errorf("it did not %q:\n%s", want, did)
				}
			}
			if got := strings.Count(string(did), " -I "); got != strings.Count(strings.Join(tt.did, "\n"), "-I ") {
				t.Errorf("%d jumps:\n%s", got, did)
			}
			if tt.missing != "" && strings.Contains(string(did), "ip6tables") {
				t.Errorf("it went on with IPv6:\n%s", did)
			}
		})
	}
}
