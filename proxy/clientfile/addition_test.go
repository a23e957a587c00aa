package clientfile

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

var found = []Addition{
	{Name: "printer-7.example.com", Address: netip.MustParseAddr("192.0.2.7"), Comment: "TLS 1.0\n# smtp: [x]\u2028 {"},
	{Name: "printer-7.example.com", Address: netip.MustParseAddr("192.0.2.8")},
	{Address: netip.MustParseAddr("fd00::")},
	{Name: "null", Address: netip.MustParseAddr("::ffff:192.0.2.9")},
	{Name: "other", Address: netip.MustParseAddr("fe80::1%eth0")},
	{Name: "again", Address: netip.MustParseAddr("fe80::1%eth1")},
	{Name: `a "b" \c: #d`, Address: netip.MustParseAddr("192.0.2.10")},
	{Name: "nowhere"},
}

// With whatever text a file begins, what it says stays, and the new clients are found by
// their names.
func TestAdd(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "# nothing yet", "---\n", "clients:\n", "clients: []\n", "{}", "clients:\n  # - name: a\n", example, "\ufeff" + example,
		example + "...\n",
		strings.ReplaceAll(example, "\n", "\r\n"), strings.TrimSuffix(example, "\n"), "---\n" + example + "# end\n",
		"clients:\n- name: a # first\n  address: 10.0.0.1\n  leaf:\n    hash: sha1", "clients: [{name: a, address: 10.0.0.1}] # all\n",
		`{"clients": [{"name": "a", "network": ["10.0.0.0/8"]}]}`, "clients:\n      - {name: a, address: 10.0.0.1,\n   plaintext: allow}\n",
		"clients:\n- address: 10.0.0.1\n  name: |-\n    a\n",
	} {
		added, left, err := Add([]byte(text), found)
		if err != nil || left != 0 {
			t.Errorf("%q: %d left, %v", text, left, err)
			continue
		}
		before, table := parse(t, text), parse(t, string(added))
		if !table.hasAllOf(before) || table.Len() != before.Len()+6 {
			t.Errorf("%q: %d clients:\n%s", text, table.Len(), added)
		}
		for addr, want := range map[string]string{
			"192.0.2.7": "printer-7.example.com", "192.0.2.8": "client-192-0-2-8", "fd00::": "client-fd00--", "192.0.2.9": "null",
			"fe80::1": "client-fe80--1", "192.0.2.10": `a "b" \c: #d`,
		} {
			if got := table.NameOf(netip.MustParseAddr(addr)); got != want {
				t.Errorf("%q: %s is called %q, want %q:\n%s", text, addr, got, want, added)
			}
		}
	}
}

func TestAddedText(t *testing.T) {
	t.Parallel()
	const begin = "# ours\nclients:\n- name: a   # the first\n  address: 192.0.2.8\n"
	const want = begin + "\n# TLS 1.0\ufffd# smtp: [x]\ufffd {\n- name: printer-7.example.com\n  address: 192.0.2.7\n" +
		"\n- name: client-fd00--\n  address: \"fd00::\"\n"
	got, _, err := Add([]byte(begin), found[:3])
	if err != nil || string(got) != want {
		t.Errorf("%v: got\n%s\nwant\n%s", err, got, want)
	}
}

// A name with the address may be taken too, and a file with a mistake gets nothing.
func TestAddToAnyFile(t *testing.T) {
	t.Parallel()
	text := "clients:\n- {name: client-192-0-2-8, address: 10.0.0.1}\n"
	added, _, err := Add([]byte(text), []Addition{{Address: netip.MustParseAddr("192.0.2.8")}, {Address: netip.MustParseAddr("10.0.0.1")}})
	if err != nil || parse(t, string(added)).NameOf(netip.MustParseAddr("192.0.2.8")) != "client-192-0-2-8-2" {
		t.Errorf("%v:\n%s", err, added)
	}
	text = "clients:\n- {name: a, host: a.example}\n"
	more := []Addition{{Name: "a", Named: true, Address: found[1].Address}, {Name: "a", Address: netip.MustParseAddr("192.0.2.9")}}
	added, _, err = Add([]byte(text), more)
	if table := parse(t, string(added)); err != nil || table.Len() != 2 || table.NameOf(more[1].Address) != "client-192-0-2-9" ||
		!table.HasHost("a.example") {
		t.Errorf("%v:\n%s", err, added)
	}
	if _, _, err := Add([]byte("clients: 1"), found); err == nil || !strings.Contains(err.Error(), "line 1, column 10") {
		t.Errorf("got %v", err)
	}
}

// However many clients there are, the file can be read.
func TestAddTooMany(t *testing.T) {
	t.Parallel()
	for comment, n := range map[string]int{"": maxClients + 1, strings.Repeat("x", 400): 2500} {
		var more []Addition
		for i := range n {
			more = append(more, Addition{Address: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Comment: comment})
		}
		added, left, err := Add(nil, more)
		if err != nil || left == 0 || left+parse(t, string(added)).Len() != len(more) {
			t.Errorf("%d bytes, %d left, %v", len(added), left, err)
		}
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte(example), "printer", "192.0.2.7", "TLS 1.0")
	f.Add([]byte(`{"clients": [{"name": "a", "network": ["10.0.0.0/8"]}]}`), "~", "fd00::", "\n- x")
	f.Add([]byte("clients:\n- address: 10.0.0.1\n  name: |-\n    a\n..."), "'", "::1", "#")
	f.Fuzz(func(t *testing.T, text []byte, name, address, comment string) {
		before, err := Parse(text)
		if err != nil {
			return
		}
		addr, err := netip.ParseAddr(address)
		if err != nil {
			return
		}
		added, left, err := Add(text, []Addition{{Name: name, Address: addr, Comment: comment}})
		if err != nil || left > 0 {
			return // a file that is full, or written in an odd way
		}
		after, err := Parse(added)
		if err != nil || !after.hasAllOf(before) || after.NameOf(addr) == "" {
			t.Fatal(fmt.Sprint(err, "\n", string(added)))
		}
	})
}
