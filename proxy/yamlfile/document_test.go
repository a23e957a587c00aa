package yamlfile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// A drawer is what the file of these tests has.
type drawer struct {
	name  string
	color string
	in    []string
}

func read(text string) (drawer, error) {
	var d drawer
	err := Parse([]byte(text), "a drawer's file", func(r *Reader, n *Node) {
		r.Mapping(n, "the file",
			Key("name", func(v *Node) { d.name, _ = r.Text(v, "name") }),
			Key("color", func(v *Node) { d.color = r.Word(v, "color", "red", "blue") }),
			Key("in", func(v *Node) {
				all, _ := r.List(v, "in")
				for _, one := range all {
					if text, ok := r.Text(one, "a thing"); ok {
						d.in = append(d.in, text)
					}
				}
			}),
		)
	})
	return d, err
}

func TestParse(t *testing.T) {
	t.Parallel()
	d, err := read("\ufeffname: a\r\ncolor: RED\nin: [x, 'y z']\n")
	if err != nil || d.name != "a" || d.color != "red" || strings.Join(d.in, ",") != "x,y z" {
		t.Errorf("got %+v, %v", d, err)
	}
	for _, empty := range []string{"", "# nothing\n", "---\n...\n", "~"} {
		if d, err := read(empty); err != nil || d.name != "" {
			t.Errorf("%q: got %+v, %v", empty, d, err)
		}
	}
}

// Problems come in the order of the file, whatever the order of reading.
func TestProblems(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"colour: red\nname: [a]": "line 1, column 1: unknown key \"colour\"; did you mean color?\n" +
			"line 2, column 7: name must be a single value, not a list",
		"size: 1":                 `line 1, column 1: unknown key "size"; known keys are name, color and in`,
		"{name: a, color:s3cret}": "line 1, column 11: unknown key; known keys are name, color and in",
		"{name: $h$m=1,t=2, t=2}": "line 1, column 15: unknown key; known keys are name, color and in\n" +
			"line 1, column 20: the key is already given in line 1; remove one of the two",
		"color: green":                 `line 1, column 8: color is "green"; write red or blue`,
		"in: a":                        "line 1, column 5: in must be a list, not a single value",
		"in: [a, &b c]":                "line 1, column 9: " + NoAliases,
		"a: b\n---\n":                  "line 2, column 1: a second document begins here; a drawer's file has one",
		"a\x00":                        "line 1, column 2: the character U+0000 does not belong in text; remove it",
		"a\xff":                        "the file is not UTF-8 text",
		strings.Repeat("#", MaxFile+1): "more than 1048576 bytes cannot be a drawer's file",
	} {
		if _, err := read(text); err == nil || err.Error() != want {
			t.Errorf("%.100q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// Whatever the text is, each problem is one line that says where.
func FuzzParse(f *testing.F) {
	f.Add([]byte("name: a\ncolor: red\nin: [b, c]\n"))
	f.Add([]byte("? [a]\n: {b: *c}\n<<: &d !!x e\nin: |\n  f\n- >-\n  g\n---\n..."))
	f.Add([]byte("%TAG ! tag:x,1:\n--- !a\n- [}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := read(string(text))
		if err == nil {
			return
		}
		lines := 2 + bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r"))
		for one := range strings.SplitSeq(err.Error(), "\n") {
			if one == "the file is not UTF-8 text" || strings.HasPrefix(one, "more than") {
				continue
			}
			var line, column int
			if _, err := fmt.Sscanf(one, "line %d, column %d: ", &line, &column); err != nil || line > lines || column < 1 {
				t.Errorf("%q in a file of %d lines: %v", one, lines, err)
			}
		}
	})
}
