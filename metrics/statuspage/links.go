package statuspage

import (
	"html"
	"html/template"
	"regexp"
	"strings"
)

// A linker makes links of the paths of this site that sentences of ours name, for
// example "/ca.pem on the admin address".
type linker struct{ site *site }

// path matches a path between spaces or punctuation.
var path = regexp.MustCompile(`(^|[\s(“])(/[a-z0-9][a-z0-9.-]*[a-z0-9])`)

// linked returns a sentence as HTML.
func (l linker) linked(sentence string) template.HTML {
	var b strings.Builder
	rest := 0
	for _, at := range path.FindAllStringSubmatchIndex(sentence, -1) {
		name := sentence[at[4]:at[5]]
		if !l.exists(name) {
			continue
		}
		b.WriteString(html.EscapeString(sentence[rest:at[4]]))
		b.WriteString(`<a href="` + name + `">` + name + `</a>`) // of letters, digits, dots and hyphens
		rest = at[5]
	}
	b.WriteString(html.EscapeString(sentence[rest:]))
	return template.HTML(b.String()) //nolint:gosec // all of it was escaped above
}

// exists reports whether a path is there that texts name.
func (l linker) exists(path string) bool {
	a := l.site.Authority
	switch path {
	case "/ca", "/ca.pem", "/ca.der", "/ca.p7b":
		return a.Certificate != nil
	case "/ca-sha1.pem", "/ca-sha1.der", "/ca-sha1.p7b":
		return a.SHA1 != nil
	case "/ca-backdated.pem", "/ca-backdated.der", "/ca-backdated.p7b":
		return a.Backdated != nil
	case "/proxy.pac", "/wpad.dat":
		return l.site.pac.HasProxy()
	case "/reasons", "/report", "/metrics":
		return !l.site.public
	}
	return false
}

// shortName is the length up to which a name is not parted.
const shortName = 20

// breakable returns a long name, or that of a cipher suite, as HTML that may be broken after
// its dots, or the low lines of a suite, and nowhere else if there is room enough.
func breakable(name string) template.HTML {
	text := html.EscapeString(name)
	switch {
	case strings.HasPrefix(name, "TLS_"):
		text = strings.ReplaceAll(text, "_", "_<wbr>")
	case len(name) > shortName:
		text = strings.ReplaceAll(text, ".", ".<wbr>")
	}
	return template.HTML(text) //nolint:gosec // it was escaped above
}
