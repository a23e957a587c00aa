package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A ruleNetwork is a network namespace of a test's own, in which the firewall is
// empty at first.
type ruleNetwork struct {
	t    *testing.T
	name string
}

func newRuleNetwork(t *testing.T) *ruleNetwork {
	t.Helper()
	onlyLinux(t)
	testenv.NeedRoot(t, "make networks")
	testenv.Need(t, "ip")
	n := &ruleNetwork{t, fmt.Sprintf("tlslift-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))}
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Skipf("may not make a network of its own here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "delete", n.name).CombinedOutput(); err != nil {
			t.Errorf("removing the network: %v: %s", err, out)
		}
	})
	return n
}

// try runs a command in the network and returns what it has written.
func (n *ruleNetwork) try(stdin string, argv ...string) (string, error) {
	cmd := exec.Command("ip", append([]string{"netns", "exec", n.name}, argv...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (n *ruleNetwork) run(stdin string, argv ...string) string {
	n.t.Helper()
	out, err := n.try(stdin, argv...)
	if err != nil {
		n.t.Fatalf("%s: %v\n%s\n%s", strings.Join(argv, " "), err, out, stdin)
	}
	return out
}

// printedRules runs tlslift rules.
func printedRules(t *testing.T, listen string, args ...string) string {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, append([]string{"rules"}, args...)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "TLSLIFT_LISTEN=" + listen, "TLSLIFT_CLIENT_NETS=0.0.0.0/0,127.0.0.0/8,fd00::/8"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tlslift rules %q for %s: %v", args, listen, err)
	}
	return string(out)
}

// ruleCases are rules of every kind, with what nftables is to have of them.
var ruleCases = []struct {
	listen string
	args   []string
	chains []string
}{
	{"redirect://:3129", nil, []string{"ip nat prerouting", "ip6 nat prerouting"}},
	{"redirect://:3129", []string{"--local", "--interface", "eth1,eth2"},
		[]string{"ip nat output", "ip nat prerouting", "ip6 nat output", "ip6 nat prerouting"}},
	{"redirect://192.168.20.1:3129", []string{"--service", "exchange"}, []string{"ip nat prerouting"}},
	{"redirect://[fd00::1]:3129", []string{"--interface", "eth1"}, []string{"ip6 nat prerouting"}},
	{"tproxy://:3130", nil, []string{"ip filter prerouting", "ip6 filter prerouting"}},
	{"redirect://:3129,tproxy://127.0.0.1:3130", []string{"--tproxy"}, []string{"ip filter prerouting"}},
}

// The rules load as they are printed, in place of those that were loaded
// before, and leave alone what is not theirs.
func TestRulesInNFTables(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "nft")
	n := newRuleNetwork(t)
	n.run("", "nft", "add table ip mine")
	for _, test := range ruleCases {
		script := printedRules(t, test.listen, test.args...)
		n.run(script, "nft", "-f", "-")
		first := n.run("", "nft", "list", "ruleset")
		n.run(script+extraElement(test.chains[0]), "nft", "-f", "-")
		n.run(script, "nft", "-f", "-")
		if second := n.run("", "nft", "list", "ruleset"); second != first {
			t.Errorf("%s %q: loaded again, it is\n%s\ninstead of\n%s", test.listen, test.args, second, first)
		}
		tables, chains, redirects := nftRuleset(t, n.run("", "nft", "-j", "list", "ruleset"))
		if !slices.Equal(chains, test.chains) || !slices.Contains(tables, "ip mine") {
			t.Errorf("%s %q: got tables %q, chains %q, want %q", test.listen, test.args, tables, chains, test.chains)
		}
		if redirects < 4 {
			t.Errorf("%s %q: only %d rules lead to tlslift", test.listen, test.args, redirects)
		}
	}
}

// extraElement is an element of what an operator may add by hand.
func extraElement(chain string) string {
	if strings.HasPrefix(chain, "ip6 ") {
		return "add element ip6 tlslift extra6 { 2001:db8::10 . 587 }\n"
	}
	return "add element ip tlslift extra4 { 192.0.2.10 . 587 }\n"
}

// nftRuleset returns the tables, the base chains of ours as family, type and
// hook, and how many rules lead to a listener.
func nftRuleset(t *testing.T, text string) (tables, chains []string, redirects int) {
	t.Helper()
	var all struct {
		NFTables []struct {
			Table *struct{ Family, Name string }
			Chain *struct{ Family, Table, Type, Hook string }
			Rule  *struct{ Expr []map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("reading what nft lists: %v", err)
	}
	for _, o := range all.NFTables {
		switch {
		case o.Table != nil:
			tables = append(tables, o.Table.Family+" "+o.Table.Name)
		case o.Chain != nil && o.Chain.Hook != "" && o.Chain.Table == "tlslift":
			chains = append(chains, o.Chain.Family+" "+o.Chain.Type+" "+o.Chain.Hook)
		case o.Rule != nil:
			for _, e := range o.Rule.Expr {
				if e["redirect"] != nil || e["dnat"] != nil || e["tproxy"] != nil {
					redirects++
				}
			}
		}
	}
	slices.Sort(chains)
	return tables, chains, redirects
}

// The same with iptables, in both of its variants.
func TestRulesInIPTables(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "iptables", "ip6tables")
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			testenv.Need(t, "iptables-"+variant, "ip6tables-"+variant)
			n := newRuleNetwork(t)
			f := iptablesVariant{n, variant}
			if out, err := n.try("", "iptables-"+variant, "-t", "mangle", "-L"); err != nil {
				t.Skipf("the kernel has no such tables: %s", out)
			}
			n.run("", "iptables-"+variant, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8080", "-j", "REDIRECT", "--to-ports", "80")
			before := f.saved()
			for _, test := range ruleCases {
				script := printedRules(t, test.listen, append(test.args, "--iptables")...)
				f.load(script)
				first := f.saved()
				f.load(script)
				if second := f.saved(); second != first {
					t.Errorf("%s %q: loaded again, it is\n%s\ninstead of\n%s", test.listen, test.args, second, first)
				}
				if got := strings.Count(first, " -p tcp -j TLSLIFT-"); got != len(test.chains) {
					t.Errorf("%s %q: %d jumps to our chains, want %q\n%s", test.listen, test.args, got, test.chains, first)
				}
			}
			f.load(printedRules(t, "redirect://:3129", "--iptables"), "remove")
			if after := f.saved(); after != before {
				t.Errorf("after the removal it is\n%s\ninstead of\n%s", after, before)
			}
		})
	}
}

// An iptablesVariant is one of the two variants of the program.
type iptablesVariant struct {
	n    *ruleNetwork
	name string
}

func (f iptablesVariant) load(script string, args ...string) {
	f.n.t.Helper()
	argv := []string{"env", "IPTABLES=iptables-" + f.name, "IP6TABLES=ip6tables-" + f.name, "sh", "-s"}
	if out := f.n.run(script, append(argv, args...)...); out != "" {
		f.n.t.Errorf("the script says: %s", out)
	}
}

// saved is what is in the tables that tlslift has rules for.
func (f iptablesVariant) saved() string {
	var all strings.Builder
	for _, program := range []string{"iptables-", "ip6tables-"} {
		for _, table := range []string{"nat", "mangle"} {
			all.WriteString(f.n.run("", program+f.name, "-t", table, "-S"))
		}
	}
	return all.String()
}

// The routes of TPROXY may be set again, and are there once.
func TestRulesRoutes(t *testing.T) {
	t.Parallel()
	n := newRuleNetwork(t)
	n.run("", "ip", "link", "set", "lo", "up")
	script := printedRules(t, "tproxy://:3130", "--routes")
	for range 2 {
		n.run(script, "sh")
	}
	for _, family := range []string{"-4", "-6"} {
		if got := strings.Count(n.run("", "ip", family, "rule"), "fwmark 0x746d lookup 29805"); got != 1 {
			t.Errorf("%s: the rule is there %d times", family, got)
		}
		if got := n.run("", "ip", family, "route", "show", "table", "29805"); strings.Count(got, "local default dev lo") != 1 {
			t.Errorf("%s: got %s", family, got)
		}
	}
}
