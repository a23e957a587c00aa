package clientfile

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/yamlfile"
)

const example = `clients:
  - name: scanner-2nd-floor
    address: 192.168.20.31
    plaintext: allow          # or refuse
    ciphers: [rc4]
    leaf:
      hash: sha1
      bits: 1024
      chain: leaf+ca
  - name: old-lan
    network: 192.168.30.0/24
`

func TestParse(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"as it is":                      example,
		"byte order mark":               "\ufeff" + example,
		"CRLF":                          strings.ReplaceAll(example, "\n", "\r\n"),
		"document marks":                "# ours\n---\n" + example + "...\n# end\n",
		"tabs where YAML has no indent": strings.NewReplacer("allow  ", "allow\t", "[rc4]", "[\trc4\t]").Replace(example) + "\t\n",
		"quoted, other case, other form": `{"clients": [
			{name: "scanner-2nd-floor", 'address': '192.168.20.31', plaintext: ALLOW, ciphers: [AES, 3DES, RC4, aes],
			 leaf: {hash: SHA1, bits: "1024", chain: Leaf+CA}},
			{"name": "old-lan", "network": "192.168.30.0/24", ciphers: [3des], leaf: {}}]}`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			table := parse(t, text)
			want := Options{Name: "scanner-2nd-floor", Plaintext: PlaintextAllow, RC4: true, Leaf: Leaf{Hash: HashSHA1, Bits: 1024, WithCA: true}}
			if got := table.Lookup(netip.MustParseAddr("192.168.20.31")); got != want {
				t.Errorf("the scanner is %+v, want %+v", got, want)
			}
			want = Options{Name: "old-lan"}
			if got := table.Lookup(netip.MustParseAddr("192.168.30.7")); got != want {
				t.Errorf("the network is %+v, want %+v", got, want)
			}
			if table.Len() != 2 {
				t.Errorf("%d clients", table.Len())
			}
		})
	}
}

func TestOptionsOfLegacyTLS(t *testing.T) {
	t.Parallel()
	table := parse(t, "clients: [{name: xp, address: fd00::1, ciphers: [des], dh_bits: 2048, split_records: true, "+
		"record_size: 4096, leaf: {hash: auto}}]")
	want := Options{Name: "xp", DES: true, DHBits: 2048, SplitRecords: true, RecordSize: 4096}
	if got := table.Lookup(netip.MustParseAddr("fd00::1")); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// One client may have several addresses and networks, with one name and one set of
// options.
func TestSeveralAddressesOfAClient(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"clients: [{name: fax, address: [10.0.0.1, 'fd00::1'], network: [10.1.0.0/16, 10.2.0.0/16], dh_bits: 2048}]",
		"clients:\n- network: [10.1.0.0/16]\n  address:\n  - 10.0.0.1\n  - fd00::1 # the other card\n  - 10.2.0.9\n  name: fax\n" +
			"  dh_bits: 2048\n",
	} {
		table := parse(t, text)
		for _, addr := range []string{"10.0.0.1", "fd00::1", "10.1.2.3", "10.2.0.9"} {
			if got := table.Lookup(netip.MustParseAddr(addr)); got != (Options{Name: "fax", DHBits: 2048}) {
				t.Errorf("%s is %+v", addr, got)
			}
		}
		if got := table.Lookup(netip.MustParseAddr("10.0.0.2")); got != (Options{}) || table.Len() != 1 {
			t.Errorf("%+v, of %d clients", got, table.Len())
		}
	}
}

func TestLeafOfADeadClock(t *testing.T) {
	t.Parallel()
	for _, day := range []string{"1970-01-01", "2000-01-01", `"2010-12-31"`} {
		table := parse(t, "clients: [{name: fax, address: fd00::1, leaf: {not_before: "+day+"}}]")
		got := table.Lookup(netip.MustParseAddr("fd00::1")).Leaf.NotBefore
		if got.IsZero() || got.Format("2006-01-02") != strings.Trim(day, `"`) {
			t.Errorf("%s is %s", day, got)
		}
	}
}

func TestDefaultsWrittenOut(t *testing.T) {
	t.Parallel()
	table := parse(t, "clients: [{name: 007, address: fd00::1, plaintext: refuse, ciphers: [aes], "+
		"leaf: {hash: sha256, bits: 2048, chain: leaf}}]")
	want := Options{Name: "007", Plaintext: PlaintextRefuse, Leaf: Leaf{Hash: HashSHA256, Bits: 2048}}
	if got := table.Lookup(netip.MustParseAddr("fd00::1")); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFilesWithoutClients(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n\n", "\ufeff", "# nothing yet\r\n", "---\n", "---\n...\n", "{}", "clients:\n", "clients: []\n",
		"clients:\n  # - name: a\n"} {
		if table := parse(t, text); table == nil || table.Len() != 0 {
			t.Errorf("%q: %+v", text, table)
		}
	}
}

// at puts lines below the beginning of a client, so that the first of them is
// line 4 of the file.
func at(lines string) string {
	return "clients:\n- name: a\n  address: 10.0.0.1\n" + lines + "\n"
}

func TestProblems(t *testing.T) {
	t.Parallel()
	const entryKeys = "known keys are name, address, network, host, plaintext, to, ciphers, dh_bits, split_records, record_size, " +
		"ca, leaf, model and note"
	const noAddress = "the client has no address; add one, for example address: 192.168.20.31, or a network, " +
		"for example network: 192.168.30.0/24"
	for _, test := range []struct{ text, want string }{
		// Keys.
		{"client: []", `line 1, column 1: unknown key "client"; did you mean clients?`},
		{"devices: []", `line 1, column 1: unknown key "devices"; the only key here is clients`},
		{"clients: []\nclients: []", `line 2, column 1: "clients" is already given in line 1; remove one of the two`},
		{"clients:\n  - name: a\n    adress: 10.0.0.1", `line 3, column 5: unknown key "adress"; did you mean address?`},
		{at("  Plaintext: allow"), `line 4, column 3: unknown key "Plaintext"; did you mean plaintext?`},
		{at("  colour: blue"), `line 4, column 3: unknown key "colour"; ` + entryKeys},
		{at("  <<: {plaintext: allow}"), `line 4, column 3: unknown key "<<"; ` + entryKeys},
		{at("  leaf: {size: 1}"), `line 4, column 10: unknown key "size"; known keys are hash, key_type, bits, chain and not_before`},
		{at("  leaf:\n    bits: 1024\n    hsah: sha1\n    bits: 2048"), "line 6, column 5: unknown key \"hsah\"; did you mean hash?\n" +
			`line 7, column 5: "bits" is already given in line 5; remove one of the two`},
		{at("  mailbox: {user: u, password: p4ssw0rd}"), `line 4, column 3: unknown key "mailbox"; ` + entryKeys},
		{at("  ? [a]\n  : b"), "line 4, column 5: a key must be a single value, not a list"},
		{at("  : b"), "line 4, column 3: a key has no value; write one or remove it"},
		{at("  " + strings.Repeat("k", 100) + ": b"), `line 4, column 3: unknown key "` + strings.Repeat("k", 57) + `…"; ` + entryKeys},
		// Kinds of values.
		{"hello", "line 1, column 1: the file must be keys with values, not a single value"},
		{"- name: a", "line 1, column 1: the file must be keys with values, not a list"},
		{"clients: none", "line 1, column 10: clients must be a list, not a single value"},
		{"clients:\n  -name: a\n  address: b", "line 2, column 3: clients must be a list, not keys with values"},
		{"clients:\n  - a\n  -\n  - []", "line 2, column 5: a client must be keys with values, not a single value\n" +
			"line 3, column 4: a client has no value; write one or remove it\n" +
			"line 4, column 5: a client must be keys with values, not a list"},
		{at("  plaintext: [allow]"), "line 4, column 14: plaintext must be a single value, not a list"},
		{at("  plaintext:"), "line 4, column 13: plaintext has no value; write one or remove it"},
		{at("  plaintext: ~"), "line 4, column 14: plaintext has no value; write one or remove it"},
		{at("  leaf: sha1"), "line 4, column 9: leaf must be keys with values, not a single value"},
		{at("  dh_bits: 512"), `line 4, column 12: dh_bits is "512"; write 1024 or 2048`},
		{at("  split_records: perhaps"), `line 4, column 18: split_records is "perhaps"; write true or false`},
		{at("  record_size: 1000"), `line 4, column 16: record_size is "1000"; write 512, 1024, 2048 or 4096`},
		{at("  ciphers: rc4"), "line 4, column 12: ciphers must be a list, not a single value"},
		{at("  ciphers: []"), "line 4, column 12: ciphers is an empty list; name aes, 3des, rc4 or des, or remove it"},
		{at("  ciphers: [[rc4]]"), "line 4, column 13: the cipher must be a single value, not a list"},
		// Words.
		{at("  plaintext: yes"), `line 4, column 14: plaintext is "yes"; write allow or refuse`},
		{at("  plaintext: " + strings.Repeat("y", 100)),
			`line 4, column 14: plaintext is "` + strings.Repeat("y", 57) + `…"; write allow or refuse`},
		{at("  ciphers: [aes, idea]"), `line 4, column 18: the cipher is "idea"; write aes, 3des, rc4 or des`},
		{at("  ciphers:\n    - rc4\n    - RC5"), `line 6, column 7: the cipher is "RC5"; write aes, 3des, rc4 or des`},
		{at("  leaf: {hash: md5, bits: 512, chain: ca}"), "line 4, column 16: hash is \"md5\"; write auto, sha256 or sha1\n" +
			"line 4, column 27: bits is \"512\"; write 2048 or 1024\n" + `line 4, column 39: chain is "ca"; write leaf or leaf+ca`},
		{at("  leaf: {bits: 1_024}"), `line 4, column 16: bits is "1_024"; write 2048 or 1024`},
		{at("  leaf: {key_type: ec}"), `line 4, column 20: key_type is "ec"; write auto, rsa or ecdsa`},
		{at("  leaf: {not_before: 20y}"), `line 4, column 22: not_before is "20y"; write a date, for example 2000-01-01`},
		{at("  leaf: {not_before: 2000-02-30}"), `line 4, column 22: not_before is "2000-02-30"; write a date, for example 2000-01-01`},
		{at("  leaf: {not_before: 1969-12-31}"), `line 4, column 22: not_before is "1969-12-31"; write one from 1970-01-01 to 2049-12-31`},
		{at("  leaf: {not_before: [2000]}"), "line 4, column 22: not_before must be a single value, not a list"},
		{at("  leaf: {bits: 0x400}"), `line 4, column 16: bits is "0x400"; write 2048 or 1024`},
		// What a client must have.
		{"clients:\n  - {}", "line 2, column 5: the client has no name; add one, for example name: scanner-2nd-floor\n" +
			"line 2, column 5: " + noAddress},
		{"clients:\n  - address: 10.0.0.1", "line 2, column 5: the client has no name; add one, for example name: scanner-2nd-floor"},
		{"clients:\n\n  - name: a", "line 3, column 5: " + noAddress},
		{at("  network: []"), "line 4, column 12: network is an empty list; write a value or remove it"},
		{at("  network: [10.1.0.0/16, [10.2.0.0/16], 10.3.0.1/16]"), "line 4, column 26: network must be a single value, not a list\n" +
			`line 4, column 41: "10.3.0.1/16" has an address within the network; write 10.3.0.0/16 for the network`},
		{at("  network: {a: b}"), "line 4, column 12: network must be a single value, not keys with values"},
		{at("  network: [~]"), "line 4, column 13: network has no value; write one or remove it"},
		{at("  network: &n [10.1.0.0/16]"), "line 4, column 12: " + yamlfile.NoAliases},
		// Each once.
		{at("- name: a\n  address: 10.0.0.2"), `line 4, column 9: the name "a" is already taken in line 2; give each client its own`},
		{at("- name: b\n  address: 10.0.0.1"), `line 5, column 12: 10.0.0.1 of "b" already belongs to "a" in line 3; remove one of the two`},
		{at("- name: b\n  network: 10.0.0.1/32"),
			`line 5, column 12: 10.0.0.1/32 of "b" already belongs to "a" in line 3; remove one of the two`},
		{at("- address:\n  - 10.0.0.2\n  - 10.0.0.1\n  name: b"),
			`line 6, column 5: 10.0.0.1 of "b" already belongs to "a" in line 3; remove one of the two`},
		{at("- {address: 10.0.0.1}"), "line 4, column 3: the client has no name; add one, for example name: scanner-2nd-floor\n" +
			`line 4, column 13: 10.0.0.1 of the client without a name already belongs to "a" in line 3; remove one of the two`},
		{at("  network: [10.1.0.0/16,\n    10.0.0.1/32]"),
			`line 5, column 5: 10.0.0.1/32 is given twice for this client, first in line 3; remove one of the two`},
		{at("- {name: b, address: fd00::1}\n- {name: c, address: 'FD00:0::1'}"),
			`line 5, column 22: FD00:0::1 of "c" already belongs to "b" in line 4; remove one of the two`},
		{at("  host: printer_7:25"), `line 4, column 9: "printer_7:25" is not a host name; write one, for example printer-7.example.com`},
		{at("  host: [a.example, fd00::1]"), `line 4, column 21: "fd00::1" is an address; give it as address, not as host`},
		{at("  host: [a.example, A.example]"),
			`line 4, column 21: A.example is given twice for this client, first in line 4; remove one of the two`},
		{at("  host: a.example\n- {name: b, host: a.example}"),
			`line 5, column 19: a.example of "b" already belongs to "a" in line 4; remove one of the two`},
		{at("  host: []"), "line 4, column 9: host is an empty list; write a value or remove it"},
		// Values that are written in another line.
		{at("  plaintext: &p allow\n- {name: b, address: 10.0.0.2, plaintext: *p}"),
			"line 4, column 14: " + yamlfile.NoAliases + "\nline 5, column 43: " + yamlfile.NoAliases},
		{at("  plaintext: *p"), "line 4, column 14: " + yamlfile.NoAliases},
		{at("  &k plaintext: allow"), "line 4, column 3: " + yamlfile.NoAliases},
		{"&all clients: []", "line 1, column 1: " + yamlfile.NoAliases},
		{"clients: &all", "line 1, column 10: " + yamlfile.NoAliases},
		{"--- &all", "line 1, column 5: " + yamlfile.NoAliases},
		{at("  plaintext: !!binary YWxsb3c="), `line 4, column 14: the tag "!!binary" is not understood; remove it`},
		{at("  plaintext: !x allow"), `line 4, column 14: the tag "!x" is not understood; remove it`},
		{at("  plaintext: ! allow"), `line 4, column 14: the tag "!" is not understood; remove it`},
		{"clients: !!null", `line 1, column 10: the tag "!!null" is not understood; remove it`},
		// Columns are counted in characters.
		{`clients: [{"name": "é", "ü": 1, address: x}]`, "line 1, column 20: the name \"é\" has characters beyond printable ASCII\n" +
			`line 1, column 25: unknown key "ü"; ` + entryKeys + "\n" +
			`line 1, column 42: "x" is not an address; write one, for example 192.168.20.31 or fd00::31`},
		{"\ufeffclients: 1", "line 1, column 10: clients must be a list, not a single value"},
		{strings.ReplaceAll(at("  colour: blue"), "\n", "\r\n"), `line 4, column 3: unknown key "colour"; ` + entryKeys},
	} {
		checkProblems(t, test.text, test.want)
	}
}

func checkProblems(t *testing.T, text, want string) {
	t.Helper()
	table, err := Parse([]byte(text))
	if table != nil || err == nil || err.Error() != want {
		t.Errorf("%.300q:\ngot  %v, %v\nwant %s", text, table, err, want)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	quoted := func(name string) string { return fmt.Sprintf("clients:\n- {address: 10.0.0.1, name: %q}", name) }
	for _, name := range []string{"a", "Scanner, 2nd floor (left)", strings.Repeat("x", 64), "Other", "10.0.0.256", `"'\`, "null", "~",
		"yes"} {
		if got := parse(t, quoted(name)).Lookup(netip.MustParseAddr("10.0.0.1")).Name; got != name {
			t.Errorf("%q is read as %q", name, got)
		}
	}
	for name, want := range map[string]string{
		"":                      "the name is empty; write one, for example scanner-2nd-floor",
		" a":                    `the name " a" begins or ends with a space`,
		"a ":                    `the name "a " begins or ends with a space`,
		"a\tb":                  `the name "a\tb" has characters beyond printable ASCII`,
		"a\x7f":                 `the name "a\x7f" has characters beyond printable ASCII`,
		"a\nb":                  `the name "a\nb" has characters beyond printable ASCII`,
		"bür\u200bo":            `the name "bür\u200bo" has characters beyond printable ASCII`,
		"other":                 `the name "other" has a meaning of its own in metrics; choose another`,
		"unknown":               `the name "unknown" has a meaning of its own in metrics; choose another`,
		"10.0.0.1":              `the name "10.0.0.1" is an address, as clients without a name have it; choose another`,
		"fe80::1%eth0":          `the name "fe80::1%eth0" is an address, as clients without a name have it; choose another`,
		strings.Repeat("x", 65): `the name "` + strings.Repeat("x", 57) + `…" has more than 64 characters`,
	} {
		checkProblems(t, quoted(name), "line 2, column 29: "+want)
	}
}

func TestAddressesAndNetworks(t *testing.T) {
	t.Parallel()
	const address = "; write one, for example 192.168.20.31 or fd00::31"
	const network = "; write one, for example 192.168.30.0/24 or fd00:30::/64"
	for _, test := range []struct{ key, value, want string }{
		{"address", "10.0.0", `"10.0.0" is not an address` + address},
		{"address", "010.0.0.1", `"010.0.0.1" is not an address` + address},
		{"address", "", `"" is not an address` + address},
		{"address", "printer.example", `"printer.example" is not an address` + address},
		{"address", "10.0.0.1:25", `"10.0.0.1:25" is not an address` + address},
		{"address", "10.0.0.1\nb", `"10.0.0.1\nb" is not an address` + address},
		{"address", strings.Repeat("1", 100), `"` + strings.Repeat("1", 57) + `…" is not an address` + address},
		{"address", "10.0.0.0/24", `"10.0.0.0/24" is a network; give it as network, not as address`},
		{"address", "::ffff:10.0.0.1", `"::ffff:10.0.0.1" must have its IPv4 form; write 10.0.0.1`},
		{"address", "::ffff:10.0.0.1%a", `"::ffff:10.0.0.1%a" must have its IPv4 form; write 10.0.0.1`},
		{"address", "fe80::1%eth0", `"fe80::1%eth0" has a zone, and clients are found without it; write fe80::1`},
		{"network", "10.0.0.1", `"10.0.0.1" is an address; give it as address, not as network`},
		{"network", "10.0.0.0/33", `"10.0.0.0/33" is not a network` + network},
		{"network", "10.0.0.0/255.255.255.0", `"10.0.0.0/255.255.255.0" is not a network` + network},
		{"network", "fe80::%eth0/64", `"fe80::%eth0/64" is not a network` + network},
		{"network", "office", `"office" is not a network` + network},
		{"network", "10.0.0.5/24", `"10.0.0.5/24" has an address within the network; write 10.0.0.0/24 for the network`},
		{"network", "::ffff:10.0.0.0/120", `"::ffff:10.0.0.0/120" must have its IPv4 form, for example 192.168.30.0/24`},
	} {
		text := fmt.Sprintf("clients:\n- name: a\n  %s: %q", test.key, test.value)
		checkProblems(t, text, "line 3, column 12: "+test.want)
	}
}

// What is not YAML is said with the place where reading it stopped.
func TestNotYAML(t *testing.T) {
	t.Parallel()
	const tabs = "; indent with spaces, not with tabs"
	for _, test := range []struct{ text, want string }{
		{"clients:\n\t- name: a", "line 2, column 1: found character that cannot start any token while scanning for the next token" + tabs},
		{"clients:\r\n  - name: a\r\n  \taddress: b",
			"line 3, column 3: found a tab character that violates indentation while scanning a plain scalar, " +
				"which begins in line 2, column 11" + tabs},
		{"clients: a: b", "line 1, column 11: mapping values are not allowed in this context"},
		{"clients:\n  - name: a\n   address: b",
			"line 3, column 4: did not find expected '-' indicator while parsing a block collection, which begins in line 2, column 3"},
		{"clients:\n  - name: a\n    ciphers: [rc4\n  - name: b",
			"line 4, column 9: did not find expected ',' or ']' while parsing a flow sequence, which begins in line 3, column 14"},
		{"clients: [", "line 2, column 1: did not find expected node content while parsing a flow node"},
		{"}", "line 1, column 1: did not find expected node content while parsing a block node"},
		{"clients: 'a", "line 1, column 12: found unexpected end of stream while scanning a quoted scalar, which begins in line 1, column 10"},
		{"%YAML 9.9\n---\n", "line 1, column 1: found incompatible YAML document"},
		{"clients: []\n---\nclients: []", "line 2, column 1: a second document begins here; a clients file has one"},
		{"clients: []\n---\n", "line 2, column 1: a second document begins here; a clients file has one"},
		{"clients: []\n--- }", "line 2, column 5: did not find expected node content while parsing a block node"},
		{"a\x00b", "line 1, column 2: the character U+0000 does not belong in text; remove it"},
		{"clients:\r\n- é \x1b[31m", "line 2, column 5: the character U+001B does not belong in text; remove it"},
		{"# ok\u2028clients: []", "line 1, column 5: the character U+2028 does not belong in text; remove it"},
		{"# ok\u0085clients: []", "line 1, column 5: the character U+0085 does not belong in text; remove it"},
		{"a\ufffe", "line 1, column 2: the character U+FFFE does not belong in text; remove it"},
		{"clients: \xff", "the file is not UTF-8 text"},
		{"\xff\xfec\x00l\x00", "the file is not UTF-8 text"},
	} {
		checkProblems(t, test.text, test.want)
	}
}

// Files that want to take our time or memory are refused in one line.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	repeat := func(s string) string { return strings.Repeat(s, MaxFile/len(s)) }
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [ha, ha]\n")
	for i := range 40 {
		fmt.Fprintf(&laughs, "a%d: &a%d [*a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i)
	}
	for what, test := range map[string]struct{ text, want string }{
		"too long":          {repeat("#") + "#", "more than 1048576 bytes cannot be a clients file"},
		"mark and too long": {"\ufeff" + repeat("\n"), "more than 1048576 bytes cannot be a clients file"},
		"deep lists":        {repeat("["), "exceeded max depth"},
		"deep mappings":     {repeat("{a: "), "exceeded max depth"},
		"deep blocks":       {repeat("- "), "exceeded max depth"},
		"deep keys":         {repeat("? "), "exceeded max depth"},
		"open list":         {"[" + strings.Repeat("a,", 50_000), "did not find expected node content"},
		"open quote":        {"\"" + repeat("a")[1:], "found unexpected end of stream"},
		"one long word":     {repeat("a"), "must be keys with values"},
		"one long list": {"clients:\n" + strings.Repeat("- a\n", 11_000),
			"line 10002, column 3: there are more than 10000 clients; give networks instead of addresses"},
		"many documents": {repeat("---\n"), "a second document begins here"},
		"billion laughs": {"clients:\n- " + strings.ReplaceAll(laughs.String(), "\n", "\n  ") + "name: a\n", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			table, err := Parse([]byte(test.text))
			if table != nil || err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 10_000 {
				t.Errorf("table %v, error %.300v", table, err)
			}
			if test.want != "" && strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %.300v", err)
			}
		})
	}
	if text := "clients: []\n#" + strings.Repeat("x", MaxFile-13); parse(t, text).Len() != 0 || len(text) != MaxFile {
		t.Errorf("a file of %d bytes", len(text))
	}
}

// What may be a secret, because it stands under a key that is not known, is not
// repeated.
func TestUnknownValuesAreNotShown(t *testing.T) {
	t.Parallel()
	const secret = "p4ssw0rd"
	for _, lines := range []string{
		"  mailbox: " + secret, "  mailbox:\n    password: " + secret, "  pasword: " + secret, "  leaf: {key: " + secret + "}",
		"  plaintext: [" + secret + "]", "  password: '" + secret, "  password: &" + secret + " x", "  password: a: " + secret,
	} {
		_, err := Parse([]byte(at(lines)))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: error is %v", lines, err)
		}
	}
}

func TestKeyType(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]KeyType{"auto": KeyTypeAuto, "rsa": KeyTypeRSA, "ECDSA": KeyTypeECDSA} {
		table := parse(t, "clients: [{name: fax, address: fd00::1, leaf: {key_type: "+word+"}}]")
		if got := table.Lookup(netip.MustParseAddr("fd00::1")); got != (Options{Name: "fax", Leaf: Leaf{KeyType: want}}) {
			t.Errorf("%s is %+v", word, got)
		}
	}
}

func TestCAOfARotation(t *testing.T) {
	t.Parallel()
	table := parse(t, "clients: [{name: fax, address: [fd00::1, fd00::2], ca: NEW, leaf: {hash: sha1}}, "+
		"{name: old, network: 10.0.0.0/8, ca: old}, {name: third, address: 192.0.2.1}]")
	for addr, want := range map[string]Leaf{
		"fd00::2": {CA: CANew, Hash: HashSHA1}, "10.1.2.3": {CA: CAOld}, "192.0.2.1": {},
	} {
		if got := table.Lookup(netip.MustParseAddr(addr)).Leaf; got != want {
			t.Errorf("%s is %+v, want %+v", addr, got, want)
		}
	}
	if got := table.NamesWithCA(CANew); len(got) != 1 || got[0] != "fax" {
		t.Errorf("the new CA is for %q", got)
	}
	checkProblems(t, at("  ca: next"), `line 4, column 7: ca is "next"; write old or new`)
}
