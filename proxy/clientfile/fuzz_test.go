package clientfile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/netname"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("\ufeff" + strings.ReplaceAll(example, "\n", "\r\n")))
	f.Add([]byte(at("  ? [a]\n  : {b: *c}\n  <<: &d !!x e\n  mailbox: |\n    f\n- >-\n  g\n---\n...")))
	f.Add([]byte(`{"clients": [{"name": "\x41\u00e9", address: "::1", adress: ~, leaf: {bits: 0x400}}]}`))
	f.Add([]byte("clients:\n- name: a\n  address: [10.0.0.1, 10.0.0.2,\n  '::1']\n  network: [10.1.0.0/16, 10.0.0.1/32]"))
	f.Add([]byte("clients: [{name: a, address: ::1, model: 'Ricoh \u00fc', note: \"b\\u202ec\"}]"))
	f.Add([]byte(at("  to: [smtp.hve.mx.microsoft:587, 'a@b:993', mail.example.com:8443]")))
	f.Add([]byte("%TAG ! tag:x,1:\n--- !a\n- [}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := Parse(text)
		if (table == nil) == (err == nil) {
			t.Fatalf("table %v, error %v", table, err)
		}
		if err != nil {
			checkLines(t, err.Error(), 1+bytes.Count(text, []byte("\n"))+bytes.Count(text, []byte("\r")))
			return
		}
		for name, about := range table.descriptions {
			if !table.Has(name) || about.Model != netname.Text(about.Model, maxModel) || about.Note != netname.Text(about.Note, maxNote) {
				t.Errorf("%q is described by %+v", name, about)
			}
		}
		for network, o := range table.clients {
			if o.Name == "" || checkName(o.Name) != nil || network != network.Masked() || network.Addr().Is4In6() {
				t.Errorf("%s has the options %+v", network, o)
			}
			// The last address of a network can belong to a smaller one.
			if got := table.Lookup(network.Addr()); got.Name == "" {
				t.Errorf("nobody has %s", network.Addr())
			}
		}
	})
}

// checkLines: each line of an error is one problem, whose line is in the file
// or just after its end.
func checkLines(t *testing.T, text string, lines int) {
	t.Helper()
	last := 0
	for one := range strings.SplitSeq(text, "\n") {
		if one == "the file is not UTF-8 text" || strings.HasPrefix(one, "more than 1048576 bytes") {
			continue
		}
		var line, column int
		if _, err := fmt.Sscanf(one, "line %d, column %d: ", &line, &column); err != nil {
			t.Fatalf("%q does not say where: %v", one, err)
		}
		if line < last || column < 1 {
			t.Errorf("%q comes after line %d", one, last)
		}
		last = line
		if strings.ContainsFunc(one, func(c rune) bool { return c < ' ' }) {
			t.Errorf("a problem is not one line of text: %q", one)
		}
	}
	if last > lines+1 {
		t.Errorf("a problem in line %d of %d", last, lines)
	}
}
