package clientfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/spelling"
	"go.yaml.in/yaml/v4"
)

// noAliases refuses what makes a short file a huge one, and a value that is
// written in another line.
const noAliases = "anchors and aliases are not understood; write the value out"

// A field is a key that a mapping may have, and what reads its value.
type field struct {
	key  string
	read func(value *yaml.Node)
}

// mapping reads the fields of n, which messages call what. It returns the keys
// that are there, nil if n is no mapping. A key that is misspelt counts as the
// one that was meant.
func (r *reader) mapping(n *yaml.Node, what string, fields []field) map[string]bool {
	if !r.is(yaml.MappingNode, n, what) {
		return nil
	}
	given, lines := map[string]bool{}, map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !r.is(yaml.ScalarNode, key, "a key") {
			continue
		}
		k := slices.IndexFunc(fields, func(f field) bool { return f.key == key.Value })
		switch line := lines[key.Value]; {
		case line != 0:
			r.wrong(key, "%q is already given in line %d; remove one of the two", netname.Cut(key.Value, maxShown), line)
		case k < 0:
			given[r.unknown(key, fields)] = true
		default:
			given[key.Value] = true
			fields[k].read(value)
		}
		lines[key.Value] = key.Line
	}
	return given
}

// unknown returns the key that was probably meant, empty if there is none.
func (r *reader) unknown(key *yaml.Node, fields []field) string {
	var known []string
	for _, f := range fields {
		known = append(known, f.key)
	}
	near := spelling.Nearest(strings.ToLower(key.Value), known)
	switch {
	case near != "":
		r.wrong(key, "unknown key %q; did you mean %s?", netname.Cut(key.Value, maxShown), near)
	case len(known) == 1:
		r.wrong(key, "unknown key %q; the only key here is %s", netname.Cut(key.Value, maxShown), known[0])
	default:
		r.wrong(key, "unknown key %q; known keys are %s", netname.Cut(key.Value, maxShown), enumerate(known, "and"))
	}
	return near
}

// each reads the values of n: a single one, or a list with one at least.
func (r *reader) each(n *yaml.Node, what string, read func(value *yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		if r.is(yaml.ScalarNode, n, what) {
			read(n)
		}
		return
	}
	if r.is(yaml.SequenceNode, n, what) && len(n.Content) == 0 {
		r.wrong(n, "%s is an empty list; write a value or remove it", what)
	}
	for _, value := range n.Content {
		if r.is(yaml.ScalarNode, value, what) {
			read(value)
		}
	}
}

// word reads one of the given words, in upper or lower case, and returns it in
// lower case; it returns "" after a problem.
func (r *reader) word(n *yaml.Node, what string, words ...string) string {
	if !r.is(yaml.ScalarNode, n, what) {
		return ""
	}
	w := strings.ToLower(n.Value)
	if !slices.Contains(words, w) {
		r.wrong(n, "%s is %q; write %s", what, netname.Cut(n.Value, maxShown), enumerate(words, "or"))
		return ""
	}
	return w
}

// is reports whether n is of a kind, and has nothing about it that we do not
// understand. Otherwise there is a problem.
func (r *reader) is(kind yaml.Kind, n *yaml.Node, what string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.wrong(n, noAliases)
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		r.wrong(n, "the tag %q is not understood; remove it", netname.Cut(n.Tag, maxShown))
	case n.Kind == kind && !isNull(n):
		return true
	case isNull(n):
		r.wrong(n, "%s has no value; write one or remove it", what)
	default:
		r.wrong(n, "%s must be %s, not %s", what, nameOf(kind), nameOf(n.Kind))
	}
	return false
}

// isNull reports whether nothing is written in the place of n, or null.
func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style&yaml.TaggedStyle == 0 && n.Anchor == ""
}

func nameOf(kind yaml.Kind) string {
	switch kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

func (r *reader) wrong(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, problem{n.Line, n.Column, fmt.Sprintf(format, args...)})
}

// enumerate returns all words as in "a, b and c".
func enumerate(words []string, last string) string {
	n := len(words) - 1
	if n == 0 {
		return words[0]
	}
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}
