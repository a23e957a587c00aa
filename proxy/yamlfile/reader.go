package yamlfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/spelling"
	"go.yaml.in/yaml/v4"
)

// maxShown bounds what a problem repeats of the file.
const maxShown = 60

// NoAliases refuses what makes a short file a huge one, and a value that is
// written in another line.
const NoAliases = "anchors and aliases are not understood; write the value out"

// A Node is one value in a file: a single one, a list, or keys with values.
type Node = yaml.Node

// A Reader collects the problems in a file.
type Reader struct{ problems problems }

// A Field is a key that a mapping may have, and what reads its value.
type Field struct {
	key  string
	read func(value *Node)
}

// Key returns a field.
func Key(key string, read func(value *Node)) Field { return Field{key, read} }

// Mapping reads the fields of n, which messages call what. It returns the keys
// that are there, nil if n is no mapping. A key that is misspelt counts as the
// one that was meant.
func (r *Reader) Mapping(n *Node, what string, fields ...Field) map[string]bool {
	if !r.is(yaml.MappingNode, n, what) {
		return nil
	}
	given, lines := map[string]bool{}, map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !r.is(yaml.ScalarNode, key, "a key") {
			continue
		}
		k := slices.IndexFunc(fields, func(f Field) bool { return f.key == key.Value })
		switch line := lines[key.Value]; {
		case line != 0:
			r.Wrong(key, "%s is already given in line %d; remove one of the two", shownKey("the key", key.Value), line)
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
func (r *Reader) unknown(key *Node, fields []Field) string {
	var known []string
	for _, f := range fields {
		known = append(known, f.key)
	}
	near := spelling.Nearest(strings.ToLower(key.Value), known)
	what := "unknown key"
	if shown := shownKey("", key.Value); shown != "" {
		what += " " + shown
	}
	switch {
	case near != "":
		r.Wrong(key, "%s; did you mean %s?", what, near)
	case len(known) == 1:
		r.Wrong(key, "%s; the only key here is %s", what, known[0])
	default:
		r.Wrong(key, "%s; known keys are %s", what, enumerate(known, "and"))
	}
	return near
}

// Each reads the values of n: a single one, or a list with one at least.
func (r *Reader) Each(n *Node, what string, read func(value *Node)) {
	if n.Kind != yaml.SequenceNode {
		if r.is(yaml.ScalarNode, n, what) {
			read(n)
		}
		return
	}
	if r.is(yaml.SequenceNode, n, what) && len(n.Content) == 0 {
		r.Wrong(n, "%s is an empty list; write a value or remove it", what)
	}
	for _, value := range n.Content {
		if r.is(yaml.ScalarNode, value, what) {
			read(value)
		}
	}
}

// shownKey returns a key in quotes, or else what to call it. A key with characters
// that keys do not have may be part of a secret: as in password:secret with no space
// between the two, or a hash with commas in braces.
func shownKey(otherwise, key string) string {
	if strings.ContainsFunc(key, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("_-<", c)
	}) {
		return otherwise
	}
	return fmt.Sprintf("%q", Shown(key))
}

// Word reads one of the given words, in upper or lower case, and returns it in
// lower case; it returns "" after a problem.
func (r *Reader) Word(n *Node, what string, words ...string) string {
	text, ok := r.Text(n, what)
	if !ok {
		return ""
	}
	w := strings.ToLower(text)
	if !slices.Contains(words, w) {
		r.Wrong(n, "%s is %q; write %s", what, Shown(text), enumerate(words, "or"))
		return ""
	}
	return w
}

// Bool reads true or false; it returns false after a problem.
func (r *Reader) Bool(n *Node, what string) bool { return r.Word(n, what, "true", "false") == "true" }

// Number reads a whole number from 1 to limit.
func (r *Reader) Number(n *Node, what string, limit int) int {
	text, ok := r.Text(n, what)
	number, err := strconv.Atoi(text)
	if ok && (err != nil || number < 1 || number > limit) {
		r.Wrong(n, "%s is %q; write a number from 1 to %d", what, Shown(text), limit)
	}
	return number
}

// Text reads a single value, and reports whether it is one.
func (r *Reader) Text(n *Node, what string) (string, bool) {
	if !r.is(yaml.ScalarNode, n, what) {
		return "", false
	}
	return n.Value, true
}

// List reads a list, and reports whether it is one.
func (r *Reader) List(n *Node, what string) ([]*Node, bool) {
	if !r.is(yaml.SequenceNode, n, what) {
		return nil, false
	}
	return n.Content, true
}

// Shown returns as much of a value as a problem repeats, for %q.
func Shown(value string) string { return netname.Cut(value, maxShown) }

// is reports whether n is of a kind, and has nothing about it that we do not
// understand. Otherwise there is a problem.
func (r *Reader) is(kind yaml.Kind, n *Node, what string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.Wrong(n, NoAliases)
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		r.Wrong(n, "the tag %q is not understood; remove it", Shown(n.Tag))
	case n.Kind == kind && !IsNull(n):
		return true
	case IsNull(n):
		r.Wrong(n, "%s has no value; write one or remove it", what)
	default:
		r.Wrong(n, "%s must be %s, not %s", what, nameOf(kind), nameOf(n.Kind))
	}
	return false
}

// IsNull reports whether nothing is written in the place of n, or null.
func IsNull(n *Node) bool {
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

// Wrong adds a problem with n.
func (r *Reader) Wrong(n *Node, format string, args ...any) {
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
