package clientfile

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/yamlfile"
)

const maxComment = 500

// An Addition is a client that a file does not have yet.
type Addition struct {
	// Name is what it should be called; one that is empty, taken or not allowed is
	// replaced by one with the address.
	Name string
	// Named means that it is called so already: it is left out if the file has the name.
	Named   bool
	Address netip.Addr
	// Comment is what is written above the client; empty means nothing.
	Comment string
}

// Add returns the text of a file with more clients at its end. What the file has stays
// as it is; an addition whose address it has already is left out. So are the last ones
// when the file would become too large: Add also returns how many these are.
func Add(text []byte, more []Addition) ([]byte, int, error) {
	before, err := Parse(text)
	if err != nil {
		return nil, 0, err
	}
	left := 0
	for _, prepare := range []func([]byte) ([]byte, int, error){asWritten, inBlockStyle} {
		head, indent, err := prepare(text)
		if err != nil {
			return nil, 0, err
		}
		var added []byte
		added, left = appendAll(head, indent, before, more)
		if after, err := Parse(added); err == nil && after.hasAllOf(before) {
			return added, left, nil
		}
	}
	return nil, 0, errors.New("no client can be added to the text of this file")
}

// hasAllOf reports whether t says of every client of other what other does.
func (t *Table) hasAllOf(other *Table) bool {
	return maps.Equal(t.hosts, other.hosts) && maps.Equal(t.descriptions, other.descriptions) &&
		!slices.ContainsFunc(slices.Collect(maps.Keys(other.clients)),
			func(network netip.Prefix) bool { return t.clients[network] != other.clients[network] })
}

// asWritten returns the text of a file and how far its clients are indented; the
// beginning of one if it has no clients.
func asWritten(text []byte) ([]byte, int, error) {
	doc, err := yamlfile.Document(text, what)
	if err != nil {
		return nil, 0, err
	}
	if doc == nil {
		return append(withLineEnd(text), "clients:\n"...), 2, nil
	}
	list := clientsOf(doc)
	if list == nil {
		return []byte("clients:\n"), 2, nil
	}
	return withLineEnd(text), list.Column - 1, nil
}

// inBlockStyle returns the text of a file written anew, with each client in lines of its
// own: what is in braces and brackets has no place for more.
func inBlockStyle(text []byte) ([]byte, int, error) {
	doc, err := yamlfile.Document(text, what)
	if err != nil || doc == nil {
		return []byte("clients:\n"), 2, err
	}
	block := doc.Content
	if list := clientsOf(doc); list != nil {
		block = append(slices.Clone(block), list)
	}
	if text, err = yamlfile.Write(doc, block...); err != nil {
		return nil, 0, err
	}
	return asWritten(text)
}

// clientsOf returns the list of clients in a document without mistakes; nil if it has
// none.
func clientsOf(doc *yamlfile.Node) *yamlfile.Node {
	root := doc.Content[0]
	if len(root.Content) < 2 || len(root.Content[1].Content) == 0 {
		return nil
	}
	return root.Content[1]
}

func withLineEnd(text []byte) []byte {
	text = slices.Clone(text)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return text
}

// appendAll appends clients to a text, and returns how many were left out because
// there is no room for them.
func appendAll(text []byte, indent int, before *Table, more []Addition) ([]byte, int) {
	left, count := 0, before.Len()
	names, addresses := map[string]bool{}, map[netip.Addr]bool{}
	for _, a := range more {
		a.Address = a.Address.Unmap().WithZone("")
		if !a.Address.IsValid() || addresses[a.Address] || before.NameOf(a.Address) != "" || a.Named && before.Has(a.Name) {
			continue
		}
		a.Name = freeName(a, func(name string) bool { return names[name] || before.Has(name) })
		entry := a.text(strings.Repeat(" ", indent))
		if count >= maxClients || len(text)+len(entry) > MaxFile {
			left++
			continue
		}
		text = append(text, entry...)
		names[a.Name], addresses[a.Address] = true, true
		count++
	}
	return text, left
}

func freeName(a Addition, taken func(string) bool) string {
	if checkName(a.Name) == nil && !taken(a.Name) {
		return a.Name
	}
	base := "client-" + strings.Map(func(c rune) rune {
		if c == '.' || c == ':' {
			return '-'
		}
		return c
	}, a.Address.String())
	name := base
	for n := 2; taken(name); n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return name
}

// text returns the lines of a client.
func (a *Addition) text(indent string) string {
	var b strings.Builder
	b.WriteByte('\n')
	if a.Comment != "" {
		fmt.Fprintf(&b, "%s# %s\n", indent, netname.Text(a.Comment, maxComment))
	}
	fmt.Fprintf(&b, "%[1]s- name: %[2]s\n%[1]s  address: %[3]s\n", indent, scalar(a.Name), scalar(a.Address.String()))
	return b.String()
}

// plain are the values that mean nothing else in YAML, with or without quotes.
var plain = regexp.MustCompile(`^([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|[a-z][a-z0-9]*[-.][a-z0-9.-]*)$`)

// scalar returns s as it is written in YAML. In printable ASCII, which names are, the
// escapes of Go are among those of YAML.
func scalar(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}
