package clientfile

import (
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/yamlfile"
)

// maxModel and maxNote are how many bytes such a text has at most.
const (
	maxModel = 64
	maxNote  = 200
)

// A Description is what the file says of a client for people. It has no effect.
type Description struct {
	// Model is what kind of device it is; empty if the file does not say.
	Model string
	// Note is what else is worth knowing, for example its place; empty for nothing.
	Note string
}

// Describe returns the description of the client with a name; nothing for one that the
// file does not have.
func (t *Table) Describe(name string) Description {
	if t == nil {
		return Description{}
	}
	return t.descriptions[name]
}

// words reads a text for people: one line, of any script.
func (r *reader) words(n *yamlfile.Node, key string, most int) string {
	text, ok := r.Text(n, key)
	switch {
	case !ok:
		return ""
	case len(text) > most:
		r.Wrong(n, "the %s has %d bytes; write at most %d", key, len(text), most)
		return ""
	case netname.Text(text, most) != text:
		r.Wrong(n, "the %s has a line break, or a character that cannot be shown; write it in one line", key)
		return ""
	}
	return text
}
