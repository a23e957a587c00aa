package fwrules

import (
	"embed"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed templates/*.tmpl
var templates embed.FS

// Text returns the rules. They are the same for the same ruleset.
func (r Ruleset) Text() (string, error) {
	t, err := template.New(r.form).Funcs(template.FuncMap{
		"list":    wrapped,
		"ports":   joinPorts,
		"chunks":  func(all []uint16) [][]uint16 { return slices.Collect(slices.Chunk(all, 15)) },
		"comment": func(s []string) string { return strings.Join(s, ", ") },
		"lower":   strings.ToLower,
		"upper":   strings.ToUpper,
		"hex":     func(n uint32) string { return fmt.Sprintf("%#x", n) },
		"quoted":  quotedNames,
		"inside":  inside,
	}).ParseFS(templates, "templates/*.tmpl")
	if err != nil {
		return "", fmt.Errorf("reading the templates of the rules: %w", err)
	}
	var b strings.Builder
	if err := t.ExecuteTemplate(&b, r.form+".tmpl", r); err != nil {
		return "", fmt.Errorf("writing the rules: %w", err)
	}
	return b.String(), nil
}

// A rulesetFamily is what the templates of one family see.
type rulesetFamily struct {
	Ruleset
	F family
}

func inside(r Ruleset, f family) rulesetFamily { return rulesetFamily{r, f} }

// Families returns those that have rules.
func (r Ruleset) Families() []family {
	return slices.DeleteFunc([]family{r.IPv4, r.IPv6}, func(f family) bool { return f.Listener == "" })
}

// Unhooked returns the jumps from built-in chains that a script for iptables takes
// away: the program's variable, table, chain and ours of each.
func (r Ruleset) Unhooked() []string {
	var all []string
	for _, f := range []family{r.IPv4, r.IPv6} {
		for _, j := range []struct {
			used             bool
			table, from, end string
		}{
			{f.Listener != "" && !r.TPROXY, "nat", "PREROUTING", "IN"},
			{f.Listener != "" && r.Local, "nat", "OUTPUT", "OUT"},
			{f.Listener != "" && r.TPROXY, "mangle", "PREROUTING", "IN"},
		} {
			if !j.used {
				all = append(all, fmt.Sprintf(`"$%s" %s %s %s-%s`, f.Tables(), j.table, j.from, strings.ToUpper(r.Table), j.end))
			}
		}
	}
	return all
}

// Listeners returns which listener the rules lead to, by family.
func (r Ruleset) Listeners() string {
	switch v4, v6 := r.IPv4.Listener, r.IPv6.Listener; {
	case v4 == v6:
		return v4 + ", for IPv4 and IPv6"
	case v6 == "":
		return v4 + ", for IPv4; IPv6 is not caught"
	case v4 == "":
		return v6 + ", for IPv6; IPv4 is not caught"
	default:
		return v4 + ", and for IPv6 " + v6
	}
}

// Sample returns an address of the family for documentation (RFC 5737, RFC 3849).
func (f family) Sample() string {
	if f.Digit == "4" {
		return "192.0.2.10"
	}
	return "2001:db8::10"
}

// Tables returns the variable of the shell script that names the program.
func (f family) Tables() string {
	if f.Digit == "4" {
		return "IPTABLES"
	}
	return "IP6TABLES"
}

// Target returns the address and port of the listener, as nft and iptables have it.
func (f family) Target() string {
	port := strconv.Itoa(int(f.Port))
	switch {
	case !f.To.IsValid():
		return ":" + port
	case f.To.Is6():
		return "[" + f.To.String() + "]:" + port
	}
	return f.To.String() + ":" + port
}

// Name returns the name of the set, without its family.
func (s addressSet) Name(digit string) string {
	word := strings.Map(func(r rune) rune {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return '_'
		}
		return r
	}, strings.ToLower(s.Area))
	if word[0] < 'a' || word[0] > 'z' {
		word = "area" + word
	}
	return word + digit + "_" + strings.ReplaceAll(joinPorts(s.Ports, ","), ",", "_")
}

// Title returns what the set has, and where that comes from.
func (s addressSet) Title() string {
	rows := make([]string, len(s.Sources))
	for i, source := range s.Sources {
		rows[i] = strings.TrimSuffix(source, ", "+s.Area)
	}
	return fmt.Sprintf("%s, TCP %s: %s of Microsoft's list", s.Area, joinPorts(s.Ports, ", "), strings.Join(rows, ", "))
}

// Match returns the set's ports in an nft rule.
func (s addressSet) Match() string {
	if len(s.Ports) == 1 {
		return joinPorts(s.Ports, "")
	}
	return "{ " + joinPorts(s.Ports, ", ") + " }"
}

func joinPorts(ports []uint16, comma string) string {
	texts := make([]string, len(ports))
	for i, p := range ports {
		texts[i] = strconv.Itoa(int(p))
	}
	return strings.Join(texts, comma)
}

func quotedNames(names []string) string {
	if len(names) == 1 {
		return strconv.Quote(names[0])
	}
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = strconv.Quote(name)
	}
	return "{ " + strings.Join(all, ", ") + " }"
}

// wrapped returns prefixes with commas, some in each line.
func wrapped(indent string, all []netip.Prefix) string {
	const width = 90
	var b strings.Builder
	column := width
	for i, p := range all {
		text := p.String()
		if i < len(all)-1 {
			text += ","
		}
		if column+1+len(text) > width {
			text, column = "\n"+indent+text, len(indent)-1
		} else {
			text = " " + text
		}
		column += len(text)
		b.WriteString(text)
	}
	return b.String()
}
