package clientfile

import (
	"net/netip"
	"strings"
	"testing"
)

// What the file says of a client for people is found by its name, and changes no option.
func TestDescriptions(t *testing.T) {
	t.Parallel()
	table := parse(t, "clients:\n"+
		"- {name: a, address: [10.0.0.1, 10.0.0.2], model: Ricoh MP C3004, note: 'Flur 2, links – key at reception'}\n"+
		"- {name: b, network: 10.1.0.0/16}\n- {name: c, address: 10.0.0.3, note: <script>}\n")
	for name, want := range map[string]Description{
		"a": {Model: "Ricoh MP C3004", Note: "Flur 2, links – key at reception"}, "b": {}, "c": {Note: "<script>"}, "nobody": {},
	} {
		if got := table.Describe(name); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	if got := table.Lookup(netip.MustParseAddr("10.0.0.2")); got != (Options{Name: "a"}) {
		t.Errorf("the options are %+v", got)
	}
	if got := (*Table)(nil).Describe("a"); got != (Description{}) {
		t.Errorf("without a file: %+v", got)
	}
}

func TestDescriptionsAreBounded(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"  model: " + strings.Repeat("x", 64): "",
		"  model: " + strings.Repeat("x", 65): "line 4, column 10: the model has 65 bytes; write at most 64",
		"  note: " + strings.Repeat("ü", 101): "line 4, column 9: the note has 202 bytes; write at most 200",
		"  note: |\n    one\n    two":         "line 4, column 9: the note has a line break, or a character that cannot be shown",
		"  note: \"a\\u202eb\"":               "line 4, column 9: the note has a line break",
		"  note: \"a\\e[31m\"":                "line 4, column 9: the note has a line break",
		"  note: [a]":                         "line 4, column 9: ",
		"  note: a\n  note: b":                "line 5, column 3: ",
	} {
		_, err := Parse([]byte(at(lines)))
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", lines, err, want)
		}
	}
}

// Additions leave the descriptions as they are.
func TestAddKeepsDescriptions(t *testing.T) {
	t.Parallel()
	text := "clients: [{name: a, address: 10.0.0.1, model: 'x: y', note: 'it''s # here'}]\n"
	added, _, err := Add([]byte(text), found[:2])
	if err != nil || parse(t, string(added)).Describe("a") != (Description{Model: "x: y", Note: "it's # here"}) {
		t.Errorf("%v\n%s", err, added)
	}
}
