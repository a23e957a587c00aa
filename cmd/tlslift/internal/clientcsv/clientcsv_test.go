package clientcsv

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/clientfile"
)

const table = "name,address,to,plaintext,model,note,group\n" +
	"copier-1,192.168.20.31,,,Ricoh MP C3004,\"2nd floor, left\",Main building\n" +
	"alarm,\"192.168.30.5 192.168.30.6\",contoso-com.mail.protection.outlook.com:25,allow,,,Gate\n" +
	",,,,,,\n" +
	"copier-2,fd00::31,,,,,Main building\n"

func convert(t *testing.T, text string) (string, *clientfile.Table) {
	t.Helper()
	out, err := Convert(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	parsed, err := clientfile.Parse(out)
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	return string(out), parsed
}

func TestConvert(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"as it is":        table,
		"byte order mark": "\ufeff" + table,
		"CRLF":            strings.ReplaceAll(table, "\n", "\r\n"),
		"semicolons":      strings.NewReplacer(",", ";", "floor,", "floor,").Replace(table),
		"tabs":            strings.ReplaceAll(table, ",", "\t"),
		"other capitals":  strings.Replace(table, "name,address", "Name, Address ", 1),
	} {
		out, clients := convert(t, text)
		if clients.Len() != 3 {
			t.Errorf("%s: %d clients in\n%s", what, clients.Len(), out)
		}
		alarm := clients.Lookup(netip.MustParseAddr("192.168.30.6"))
		if alarm.Name != "alarm" || alarm.Plaintext != clientfile.PlaintextAllow ||
			alarm.To.SMTP.String() != "contoso-com.mail.protection.outlook.com:25" {
			t.Errorf("%s: the alarm is %+v", what, alarm)
		}
		if about := clients.Describe("copier-1"); about.Model != "Ricoh MP C3004" || !strings.HasPrefix(about.Note, "2nd floor") {
			t.Errorf("%s: the copier is described by %+v", what, about)
		}
		if clients.NameOf(netip.MustParseAddr("fd00::31")) != "copier-2" || !strings.Contains(out, "Ricoh MP C3004") ||
			!strings.Contains(out, "  # Main building\n") || strings.Index(out, "copier-2") < strings.Index(out, "# Main") {
			t.Errorf("%s:\n%s", what, out)
		}
	}
}

// Each column for options has its effect, also during a rotation of the CA.
func TestConvertOptions(t *testing.T) {
	t.Parallel()
	_, clients := convert(t, "name,address,ciphers,ca\na,10.0.0.1,rc4 des,new\nb,10.0.0.2,,old\nc,10.0.0.3,,\n")
	for address, want := range map[string]clientfile.Options{
		"10.0.0.1": {Name: "a", RC4: true, DES: true, Leaf: clientfile.Leaf{CA: clientfile.CANew}},
		"10.0.0.2": {Name: "b", Leaf: clientfile.Leaf{CA: clientfile.CAOld}},
		"10.0.0.3": {Name: "c"},
	} {
		if got := clients.Lookup(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %+v, want %+v", address, got, want)
		}
	}
}

// A text of a table is nothing else in the clients file.
func TestConvertHostileCells(t *testing.T) {
	t.Parallel()
	for _, cell := range []string{
		"a: b # c", "x\n  - name: evil\n    address: 10.9.9.9", "'", "&a *b !!c", "-", "\u2028- name: evil", "=1+1",
	} {
		out, clients := convert(t, fmt.Sprintf("name,address,note,model,group\na,10.0.0.1,\"%[1]s\",\"%[1]s\",\"%[1]s\"\n", cell))
		if clients.Len() != 1 || clients.NameOf(netip.MustParseAddr("10.9.9.9")) != "" {
			t.Errorf("%q:\n%s", cell, out)
		}
	}
}

func TestConvertProblems(t *testing.T) {
	t.Parallel()
	const address = "; write one, for example 192.168.20.31 or fd00::31"
	for text, want := range map[string]string{
		"":              "the table is empty; its first line has the names of the columns, such as name,address,model,note",
		"name,adress\n": `line 1: unknown column "adress"; did you mean address?`,
		"name,serial number\n": `line 1: unknown column "serial number"; name it like one of ` + strings.Join(Columns(), ", ") +
			", or remove it",
		"address\n":                    "line 1: there is no column name; add one, with a name for each device",
		"name,address,Name\n":          `line 1: there are two columns "name"; remove one of the two`,
		"name,address\na,10.0.0.1,x\n": `line 2: there are more cells than columns; put quotes around a text with a ',' in it`,
		"name,address\na,\"10.0.0.1\n": `line 2: extraneous or missing " in quoted-field; put quotes around the whole cell, ` +
			"and write a quote in it twice",
		"name,address\n\xff,10.0.0.1\n": `the table is not UTF-8 text; save it as "CSV UTF-8"`,
		"name,address\na,10.0.0\n\nb,\n": `line 2: "10.0.0" is not an address` + address + "\n" +
			"line 4: the client has no address; add one, for example address: 192.168.20.31, or a network, for example network: 192.168.30.0/24",
		"name,address\na,10.0.0.1\nb,10.0.0.1\na,10.0.0.2\n,10.0.0.3\n": `line 3: 10.0.0.1 of "b" already belongs to "a" in line 2; ` +
			"remove one of the two\n" +
			`line 4: the name "a" is already taken in line 2; give each client its own` + "\n" +
			"line 5: the name is empty; write one, for example scanner-2nd-floor",
		"name,address,group\na,10.0.0.1,z\na,10.0.0.2,b\n": `line 2: the name "a" is already taken in line 3; give each client its own`,
		"name,address,CA\na,10.0.0.1,both\n":               `line 2: ca is "both"; write old or new`,
		"name,address,plaintext,to\na,10.0.0.1,yes,b\n": `line 2: to: destination "b" is not valid: it must be host:port; ` +
			"write one, for example smtp.hve.mx.microsoft:587\n" + `line 2: plaintext is "yes"; write allow or refuse`,
	} {
		if _, err := Convert(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestConvertTooMuch(t *testing.T) {
	t.Parallel()
	if _, err := Convert(strings.NewReader(strings.Repeat("x", MaxFile+1))); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
	var b strings.Builder
	b.WriteString("name,address\n")
	for i := range 300 {
		fmt.Fprintf(&b, "device-%d,10.0.0.300\n", i)
	}
	_, err := Convert(strings.NewReader(b.String()))
	if err == nil || strings.Count(err.Error(), "\n") > maxProblems {
		t.Errorf("got %v", err)
	}
}

// Whatever the table says, what comes out is a clients file, and each mistake has the line
// of the table.
func FuzzConvert(f *testing.F) {
	f.Add(table)
	f.Add("\ufeffname;address;note\r\na;10.0.0.1;\"x\"\"y\n\"\r\n")
	f.Add("name\tnetwork\tciphers\thost\na\t10.0.0.0/8\trc4,des\tp.example\n")
	f.Add("name,address\n\"a\",\"10.0.0.1 10.0.0.1\"\n#,!!x\n")
	f.Fuzz(func(t *testing.T, text string) {
		out, err := Convert(strings.NewReader(text))
		if err != nil {
			for one := range strings.SplitSeq(err.Error(), "\n") {
				if line := lineOf(one); line > strings.Count(text, "\n")+2 && strings.HasPrefix(one, "line ") {
					t.Errorf("a mistake in line %d of %q: %s", line, text, one)
				}
			}
			return
		}
		if _, err := clientfile.Parse(out); err != nil {
			t.Errorf("%v in\n%s", err, out)
		}
	})
}
