package main

import (
	"slices"
	"strings"
	"testing"
)

func runRules(t *testing.T, listen string, args ...string) result {
	t.Helper()
	return runWith(t, map[string]string{"TLSLIFT_LISTEN": listen}, append([]string{"rules"}, args...)...)
}

// The flags reach the rules, and the rules name the command that printed them.
func TestRules(t *testing.T) {
	t.Parallel()
	got := runRules(t, "redirect://0.0.0.0:3129", "--service", "sharepoint,common", "--local",
		"--interface", "eth1", "--interface", "wlan0", "--table", "other")
	for _, want := range []string{
		"\n#   tlslift rules --local --interface eth1 --interface wlan0 --service sharepoint,common --table other\n",
		`iifname != { "eth1", "wlan0" } return`, "chain output {", "table ip other {", "# SharePoint, TCP 443",
	} {
		if got.code != exitOK || got.stderr != "" || !strings.Contains(got.stdout, want) {
			t.Errorf("got exit code %d, %q, want %q in:\n%s", got.code, got.stderr, want, got.stdout)
		}
	}
	both := "redirect://:3129,tproxy://:3130"
	for _, test := range []struct{ flag, want string }{
		{"--tproxy", "tproxy to :3130"},
		{"--iptables", `"$IPTABLES-restore"`},
		{"--iptables --tproxy", "TPROXY --on-port 3130"},
		{"--routes --tproxy", "ip -4 route replace local default dev lo table"},
	} {
		got := runRules(t, both, strings.Fields(test.flag)...)
		if got.code != exitOK || !strings.Contains(got.stdout, test.want) {
			t.Errorf("%s: got exit code %d, want %q in:\n%s%s", test.flag, got.code, test.want, got.stdout, got.stderr)
		}
	}
}

func TestRulesRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		listen string
		args   string
		want   string
	}{
		{"proxy://:3128", "", "TLSLIFT_LISTEN=redirect://:3129"},
		{"proxy://:3128", "--tproxy", "for example tproxy://:3130"},
		{"redirect://:3129", "--routes", "needs no routes"},
		{"tproxy://:3130", "--local", "use a redirect:// listener"},
		{"redirect://127.0.0.1:3129", "", "redirect://:3129 for every address"},
		{"redirect://[::1]:3129", "", "redirect://:3129 for every address"},
		{"redirect://localhost:3129", "", "not a name"},
		{"redirect://:0", "", "port"},
		{"redirect://:3129", "--service exchnage", "did you mean exchange?"},
		{"redirect://:3129", "--service mail", "common, exchange, sharepoint, skype"},
		{"redirect://:3129", "--table a;b", "--table"},
		{"redirect://:3129", "--interface eth0;flush", "--interface"},
		{"redirect://:3129", "--interface -j", "--interface"},
		{"nonsense://:1", "", "TLSLIFT_LISTEN"},
	}
	for _, test := range tests {
		args := strings.Split(test.args, " ")
		if test.args == "" {
			args = nil
		}
		got := runRules(t, test.listen, args...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, test.want) || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%s %s: got %+v, want one line with %q", test.listen, test.args, got, test.want)
		}
	}
}

func TestRulesMark(t *testing.T) {
	t.Parallel()
	environ := func(mark string) map[string]string {
		return map[string]string{"TLSLIFT_LISTEN": "tproxy://:3130,redirect://:3129", "TLSLIFT_UPSTREAM_MARK": mark}
	}
	if got := runWith(t, environ("0"), "rules"); got.code != exitOK || strings.Contains(got.stdout, "mark") {
		t.Errorf("without a mark: got %+v", got)
	}
	if got := runWith(t, environ("0"), "rules", "--local"); got.code != exitUsage || !strings.Contains(got.stderr, "TLSLIFT_UPSTREAM_MARK") {
		t.Errorf("without a mark: got %+v", got)
	}
	got := runWith(t, environ("0x746d"), "rules", "--tproxy")
	if !strings.Contains(got.stdout, "meta mark 0x746d return") || !strings.Contains(got.stdout, "meta mark set 0x746e accept") {
		t.Errorf("with the mark that caught connections usually have: got %+v", got)
	}
}

// What comes from settings and flags stays what it is there, whatever it has.
func TestRulesKeepToTheScript(t *testing.T) {
	t.Parallel()
	environ := map[string]string{
		"TLSLIFT_LISTEN":       "redirect://:3129",
		"TLSLIFT_CLIENT_NETS":  "127.0.0.0/8,::1,0.0.0.0/0,10.0.0.0/8,192.168.0.0/17,192.168.128.0/17",
		"TLSLIFT_DESTINATIONS": "mail.example.com:587",
	}
	got := runWith(t, environ, "rules", "--env-file", writeFile(t, "TLSLIFT_LOG_LEVEL=info\n"))
	for _, want := range []string{
		"\n\t\t\t0.0.0.0/0\n", "no network of this family", "TLSLIFT_DESTINATIONS: mail.example.com:587\n", "--env-file /",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in:\n%s", want, got.stdout)
		}
	}
}

// Every instance has rules for the ports of mail and for 443, and none for 80.
func TestRulesOfEachInstance(t *testing.T) {
	t.Parallel()
	for _, instance := range []string{"worldwide", "gcchigh", "dod", "china"} {
		for _, form := range [][]string{nil, {"--iptables"}} {
			environ := map[string]string{"TLSLIFT_LISTEN": "redirect://:3129?ports=80:tls", "TLSLIFT_M365_INSTANCE": instance}
			got := runWith(t, environ, append([]string{"rules"}, form...)...)
			ports := strings.FieldsFunc(got.stdout, func(r rune) bool { return r < '0' || r > '9' })
			for _, port := range []string{"25", "587", "993", "995", "443"} {
				if !slices.Contains(ports, port) {
					t.Errorf("%s: no port %s", instance, port)
				}
			}
			for line := range strings.Lines(got.stdout) {
				if !strings.HasPrefix(line, "#") && slices.Contains(strings.Fields(line), "80") {
					t.Errorf("%s: port 80 is caught: %s", instance, line)
				}
			}
		}
	}
}
