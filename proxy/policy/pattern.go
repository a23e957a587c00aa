package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Pattern matches host names. It is cut into a domain, which is literal, and
// what the part of the host before that domain must be.
type Pattern struct {
	form   form
	domain string // exact: the whole host
	part   string // suffix: end of the label; inside: the labels before the *, with their dot
}

// A form is one of the four of the package documentation.
type form int

const (
	exact  form = iota
	below       // *.domain
	suffix      // *part.domain
	inside      // part*.domain
)

const (
	tooWide       = "a * needs at least two labels after its own, such as *.example.com"
	starMisplaced = "a * may only stand once, first in the pattern or for one whole label"
)

// ParsePattern reads one host pattern.
func ParsePattern(s string) (Pattern, error) {
	before, after, wild := strings.Cut(s, "*")
	if !wild {
		host, err := literal(s)
		return Pattern{form: exact, domain: host}, err
	}
	tail, rest, _ := strings.Cut(after, ".")
	head, whole := strings.CutSuffix(before, ".")
	if strings.Contains(after, "*") || (before != "" && (!whole || tail != "")) {
		return Pattern{}, errors.New(starMisplaced)
	}
	if rest == "" {
		return Pattern{}, errors.New(tooWide)
	}
	domain, err := literal(rest)
	if err != nil {
		return Pattern{}, err
	}
	if !strings.Contains(domain, ".") {
		return Pattern{}, errors.New(tooWide)
	}
	switch {
	case before != "":
		return insidePattern(head, domain)
	case tail != "":
		return suffixPattern(tail, domain)
	}
	return Pattern{form: below, domain: domain}, nil
}

func insidePattern(head, domain string) (Pattern, error) {
	name, err := literal(head + "." + domain)
	if err != nil {
		return Pattern{}, err
	}
	return Pattern{form: inside, domain: domain, part: strings.TrimSuffix(name, domain)}, nil
}

// suffixPattern checks tail as the end of a label, which unlike a whole one
// may begin with a hyphen.
func suffixPattern(tail, domain string) (Pattern, error) {
	name, err := literal("a" + tail + "." + domain)
	if err != nil {
		return Pattern{}, err
	}
	part, ok := strings.CutPrefix(strings.TrimSuffix(name, "."+domain), "a")
	if !ok || strings.Contains(part, ".") {
		return Pattern{}, errors.New("what follows a * in its label must be plain ASCII")
	}
	return Pattern{form: suffix, domain: domain, part: part}, nil
}

// literal normalises the part of a pattern that has no *.
func literal(s string) (string, error) {
	name, fault := normalise(s)
	switch {
	case fault == nil:
		return name, nil
	case fault.Reason == record.ReasonDestinationIsAddress:
		return "", fmt.Errorf("%q is an IP address: allow the host by its name, "+
			"and map the name to an address with TLSLIFT_CONNECT_TO", s)
	default:
		return "", errors.New(fault.Detail)
	}
}

// Domain returns the literal domain that the pattern ends with; all of a pattern
// without a *.
func (p Pattern) Domain() string { return p.domain }

// IsExact reports whether the pattern has no *.
func (p Pattern) IsExact() bool { return p.form == exact }

// matches reports whether the pattern matches the host whose part before
// p.domain and its dot is rest; rest is empty if the host is p.domain. No label
// of rest is empty: the host is normalised.
func (p Pattern) matches(rest string) bool {
	switch p.form {
	case exact:
		return rest == ""
	case below:
		return rest != ""
	case suffix:
		return rest != "" && !strings.Contains(rest, ".") && strings.HasSuffix(rest, p.part)
	default:
		label, ok := strings.CutPrefix(rest, p.part)
		return ok && !strings.Contains(label, ".")
	}
}

// String returns the pattern as ParsePattern reads it.
func (p Pattern) String() string {
	switch p.form {
	case exact:
		return p.domain
	case below:
		return "*." + p.domain
	case suffix:
		return "*" + p.part + "." + p.domain
	default:
		return p.part + "*." + p.domain
	}
}
