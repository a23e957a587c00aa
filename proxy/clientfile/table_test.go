package clientfile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func parse(t testing.TB, text string) *Table {
	t.Helper()
	table, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// entries is a file in which each client is named after its network.
func entries(networks ...string) string {
	var b strings.Builder
	b.WriteString("clients:\n")
	for _, n := range networks {
		key := "address"
		if strings.Contains(n, "/") {
			key = "network"
		}
		fmt.Fprintf(&b, "  - name: c-%s\n    %s: %q\n", n, key, n)
	}
	return b.String()
}

func TestMostSpecificEntryWins(t *testing.T) {
	t.Parallel()
	table := parse(t, entries(
		"10.0.0.0/8", "10.1.2.3", "10.1.2.0/24", "10.1.0.0/16", "10.9.9.9/32",
		"fd00::/8", "fd00:1::/64", "fd00:1::5", "fe80::1", "2001:db8::9/128",
	))
	if table.Len() != 10 {
		t.Errorf("%d clients", table.Len())
	}
	for addr, want := range map[string]string{
		"10.1.2.3":         "c-10.1.2.3",
		"10.1.2.4":         "c-10.1.2.0/24",
		"10.1.3.3":         "c-10.1.0.0/16",
		"10.2.3.4":         "c-10.0.0.0/8",
		"10.9.9.9":         "c-10.9.9.9/32",
		"11.0.0.1":         "",
		"::ffff:10.1.2.3":  "c-10.1.2.3",
		"::ffff:10.2.3.4":  "c-10.0.0.0/8",
		"::10.1.2.3":       "", // another address, in a form that went out of use
		"fd00:1::5":        "c-fd00:1::5",
		"fd00:1::6":        "c-fd00:1::/64",
		"fd00:1:0:1::5":    "c-fd00::/8",
		"fc00::1":          "",
		"fe80::1":          "c-fe80::1",
		"fe80::1%eth0":     "c-fe80::1",
		"fe80::2%eth0":     "",
		"fd00:1::5%2":      "c-fd00:1::5",
		"2001:db8::9":      "c-2001:db8::9/128",
		"::ffff:10.1.2.3%": "",
	} {
		a, _ := netip.ParseAddr(addr)
		if got := table.Lookup(a).Name; got != want {
			t.Errorf("%s is %q, want %q", addr, got, want)
		}
	}
}

func TestWholeFamilies(t *testing.T) {
	t.Parallel()
	table := parse(t, entries("0.0.0.0/0", "::/0", "192.0.2.0/24"))
	for addr, want := range map[string]string{
		"0.0.0.0": "c-0.0.0.0/0", "::ffff:1.2.3.4": "c-0.0.0.0/0", "192.0.2.1": "c-192.0.2.0/24", "::": "c-::/0", "fe80::1%a": "c-::/0",
	} {
		if got := table.Lookup(netip.MustParseAddr(addr)).Name; got != want {
			t.Errorf("%s is %q, want %q", addr, got, want)
		}
	}
	if got := table.Lookup(netip.Addr{}); got != (Options{}) {
		t.Errorf("no address at all is %+v", got)
	}
}

func TestTableNames(t *testing.T) {
	t.Parallel()
	want := []string{"c-10.0.0.0/8", "c-10.1.2.3", "c-fd00::1"}
	if got := parse(t, entries("fd00::1", "10.1.2.3", "10.0.0.0/8")).Names(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNilTableKnowsNobody(t *testing.T) {
	t.Parallel()
	var table *Table
	if got := table.Lookup(netip.MustParseAddr("10.0.0.1")); got != (Options{}) || table.Len() != 0 || table.Names() != nil {
		t.Errorf("found %+v among %d clients", got, table.Len())
	}
}

// A client is found by its name in reverse DNS; its address is more specific, and a
// network is less.
func TestClientsByHost(t *testing.T) {
	t.Parallel()
	table := parse(t, "clients: [{name: a, host: [printer-7.example.com, FAX.example.com]}, {name: b, address: 10.0.0.2, host: c.example},"+
		" {name: net, network: 10.0.0.0/24}]")
	hosts := map[string]string{"10.0.0.1": "printer-7.example.com", "10.0.0.2": "printer-7.example.com", "10.0.0.3": "c.example",
		"10.0.0.4": "d.example", "fe80::1": "fax.example.com"}
	with := table.WithHosts(func(a netip.Addr) string { return hosts[a.String()] })
	for addr, want := range map[string]string{"10.0.0.1": "a", "::ffff:10.0.0.1": "a", "10.0.0.2": "b", "10.0.0.3": "b", "10.0.0.4": "net",
		"fe80::1%eth0": "a", "fe80::2": ""} {
		if got := with.NameOf(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is %q, want %q", addr, got, want)
		}
	}
	if !with.HasHost("c.example") || with.HasHost("d.example") || with.Len() != 3 || table.NameOf(netip.MustParseAddr("10.0.0.1")) != "net" {
		t.Errorf("got %+v", table)
	}
	var none *Table
	if none.WithHosts(nil) != nil || none.HasHost("a") || none.HasHosts() {
		t.Error("a nil table has hosts")
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	table := parse(t, entries("10.0.0.0/8", "10.1.2.3", "fe80::/10", "fe80::1"))
	for _, addr := range []string{"10.1.2.3", "::ffff:10.9.9.9", "192.0.2.1", "fe80::1%eth0", "2001:db8::1"} {
		a := netip.MustParseAddr(addr)
		if n := testing.AllocsPerRun(100, func() { table.Lookup(a) }); n != 0 {
			t.Errorf("%s: %v allocations", addr, n)
		}
	}
}

// The slowest lookup is that of an address without an entry.
func BenchmarkLookup(b *testing.B) {
	var many []string
	for bits := range 32 {
		many = append(many, netip.PrefixFrom(netip.MustParseAddr("128.0.0.0"), bits+1).Masked().String())
	}
	for i := len(many); i < maxClients; i++ {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String())
	}
	table := parse(b, entries(many...))
	for name, addr := range map[string]string{"address": "10.0.20.20", "network": "129.0.0.1", "unknown": "11.0.0.1",
		"mapped": "::ffff:10.0.20.20"} {
		a := netip.MustParseAddr(addr)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				table.Lookup(a)
			}
		})
	}
}

// A client is found by its name, too, with its address if it has one.
func TestCalled(t *testing.T) {
	t.Parallel()
	table, err := Parse([]byte(`clients:
- {name: one, address: 10.0.0.1, ciphers: [rc4]}
- {name: two, address: [10.0.0.2, 10.0.0.3]}
- {name: net, network: 10.1.0.0/16}
- {name: dns, host: printer.example.com, ciphers: [rc4]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"one": "10.0.0.1 true", "two": "invalid IP false", "net": "invalid IP false", "dns": "invalid IP true",
	} {
		o, addr, found := table.Called(name)
		if got := fmt.Sprint(addr, " ", o.RC4); !found || got != want || o.Name != name {
			t.Errorf("%s: got %q, %v, %+v", name, got, found, o)
		}
	}
	if _, _, found := table.Called("three"); found {
		t.Error("there is no such client")
	}
	if _, _, found := (*Table)(nil).Called("one"); found {
		t.Error("there is no client")
	}
}
