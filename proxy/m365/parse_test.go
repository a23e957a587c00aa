package m365_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
)

// filler are hosts of Microsoft in any number.
func filler(n int) []string {
	var hosts []string
	for i := range n {
		hosts = append(hosts, fmt.Sprintf("h%d.office.net", i))
	}
	return hosts
}

// blocks are addresses all over the place.
func blocks(format string, step int) []string {
	var all []string
	for i := 0; i < 256; i += step {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

func TestParseListRefuses(t *testing.T) {
	t.Parallel()
	whole := func() []serviceRow { return serviceRows(t, m365.Worldwide) }
	with := func(id int, do func(*serviceRow)) []serviceRow { return change(t, whole(), id, do) }
	hosts := func(id int, of ...string) []serviceRow { return with(id, func(r *serviceRow) { r.URLs = of }) }
	addresses := func(of ...string) []serviceRow { return with(1, func(r *serviceRow) { r.IPs = of }) }
	var manyRows []serviceRow
	for i := range 500 {
		manyRows = append(manyRows, serviceRow{ID: 2000 + i, Area: "Common"})
	}
	for name, c := range map[string]struct {
		rows []serviceRow
		want string
	}{
		"empty": {[]serviceRow{}, "lacks smtp.office365.com:587"},
		"only new hosts": {[]serviceRow{{ID: 1, Area: "X", URLs: filler(200), Ports: "443", Required: true}},
			"lacks smtp.office365.com:587"},
		"no submission": {hosts(2, "outlook.office365.com"), "lacks smtp.office365.com:587"},
		"no reading":    {hosts(2, "smtp.office365.com"), "lacks outlook.office365.com:993"},
		"other ports":   {with(2, func(r *serviceRow) { r.Ports = "587,993" }), "lacks outlook.office365.com:995"},
		"no sign-in": {slices.DeleteFunc(whole(), func(r serviceRow) bool { return r.ID == 56 || r.ID == 59 }),
			"lacks login.microsoftonline.com:443"},
		"few hosts": {slices.DeleteFunc(whole(), func(r serviceRow) bool { return r.ID != 1 && r.ID != 2 && r.ID != 56 }),
			"less than half"},
		"few addresses":  {slices.Collect(withoutAddresses(whole())), "address ranges, less than half"},
		"too many rows":  {append(whole(), manyRows...), "more than 500 rows"},
		"too many hosts": {withRow(t, "443", filler(501)...), "more than 500 hosts"},
		"too many addresses": {with(1, func(r *serviceRow) { r.IPs = slices.Repeat([]string{"13.107.6.152/31"}, 10001) }),
			"more than 10000 address ranges"},
		"private":             {addresses("10.1.0.0/16"), "not public"},
		"loopback":            {addresses("127.0.0.0/12"), "not public"},
		"link-local":          {addresses("169.254.169.254/32"), "not public"},
		"carrier":             {addresses("100.64.0.0/12"), "not public"},
		"multicast":           {addresses("239.0.0.0/12"), "not public"},
		"around private":      {addresses("192.160.0.0/12"), "not public"},
		"unique local":        {addresses("fd00::/32"), "not public"},
		"loopback 6":          {addresses("::1/128"), "not public"},
		"link-local 6":        {addresses("fe80::/64"), "not public"},
		"documentation":       {addresses("2001:db8:1::/48"), "not public"},
		"6to4":                {addresses("2002:a00::/32"), "not public"},
		"everything":          {addresses("0.0.0.0/0"), "too wide"},
		"half of everything":  {addresses("52.0.0.0/7"), "too wide"},
		"wide":                {addresses("52.0.0.0/11"), "too wide"},
		"wide 6":              {addresses("2600::/31"), "too wide"},
		"much in all":         {addresses(blocks("52.%d.0.0/12", 16)...), "more than 4 times"},
		"much in all, IPv6":   {addresses(blocks("2600:%x::/32", 1)...), "more than 4 times"},
		"not masked":          {addresses("13.107.6.153/31"), "not a range"},
		"mapped":              {addresses("::ffff:13.107.6.152/127"), "not a range"},
		"no addresses at all": {addresses("outlook"), "ParsePrefix"},
		"one address":         {addresses("13.107.6.152"), "ParsePrefix"},
		"no id":               {with(159, func(r *serviceRow) { r.ID = 0 }), "not above zero"},
		"negative id":         {with(159, func(r *serviceRow) { r.ID = -1 }), "not above zero"},
		"no area":             {with(159, func(r *serviceRow) { r.Area = "" }), "service area"},
		"terminal":            {with(159, func(r *serviceRow) { r.Area = "\x1b[31m" }), "service area"},
		"long area":           {with(159, func(r *serviceRow) { r.Area = strings.Repeat("x", 41) }), "service area"},
		"port zero":           {with(159, func(r *serviceRow) { r.Ports = "0" }), "not a port"},
		"port names":          {with(159, func(r *serviceRow) { r.Ports = "https" }), "not a port"},
		"many ports":          {with(159, func(r *serviceRow) { r.Ports = strings.Repeat("443,", 60) + "443" }), "too long"},
	} {
		_, err := m365.ParseList(m365.Worldwide, newVersion, encode(t, c.rows))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		} else if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: the error has control characters", name)
		}
	}
}

// withoutAddresses drops the addresses.
func withoutAddresses(rows []serviceRow) func(yield func(serviceRow) bool) {
	return func(yield func(serviceRow) bool) {
		for _, r := range rows {
			r.IPs = nil
			if !yield(r) {
				return
			}
		}
	}
}

func TestParseListRefusesOtherTexts(t *testing.T) {
	t.Parallel()
	good := string(encode(t, serviceRows(t, m365.Worldwide)))
	for name, text := range map[string]string{
		"nothing":      "",
		"null":         "null",
		"object":       "{}",
		"null row":     "[null]",
		"page":         "<!DOCTYPE html><html><body>Service unavailable</body></html>",
		"torn":         good[:len(good)/2],
		"more behind":  good + "[]",
		"id is text":   `[{"id":"1","serviceArea":"Exchange"}]`,
		"urls is text": `[{"id":1,"serviceArea":"Exchange","urls":"outlook.office365.com","tcpPorts":"443","required":true}]`,
		"deep":         strings.Repeat("[", 100000),
		"long":         good + strings.Repeat(" ", m365.MaxList),
	} {
		if _, err := m365.ParseList(m365.Worldwide, newVersion, []byte(text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, version := range []string{"", "1", "2026112", "20261124000", "2026139900", "20261124xx", "0x20261124", "2026081300",
		"202611240\n"} {
		if _, err := m365.ParseList(m365.Worldwide, version, []byte(good)); err == nil {
			t.Errorf("version %q is accepted", version)
		}
	}
	if _, err := m365.ParseList("mars", newVersion, []byte(good)); err == nil {
		t.Error("an unknown instance is accepted")
	}
	// Worldwide hosts are not what another instance needs.
	if _, err := m365.ParseList(m365.China, newVersion, []byte(good)); err == nil {
		t.Error("the list of another instance is accepted")
	}
}

// FuzzParseList holds every accepted list to what is promised of it, whoever
// wrote it. The rows of the input stand among those of a sound list, since few
// inputs would be a whole one.
func FuzzParseList(f *testing.F) {
	for _, seed := range []string{
		`{"id":900,"serviceArea":"Common","urls":["*.evil.example","*.windows.net"],"tcpPorts":"443-445, 25","required":true}`,
		`{"id":125,"serviceArea":"Common","urls":["a.*.office.com","*x.office.net"],"tcpPorts":"443","required":true}`,
		`{"id":1,"serviceArea":"Exchange","urls":["a.office.com"],"ips":["13.107.6.152/31"],"tcpPorts":"443","required":true}`,
		`{"id":1,"serviceArea":"Exchange","urls":["*.digicert.com","*.azureedge.net"],"ips":["2603:1006::/40"],"tcpPorts":"80","required":true}`,
		`{"id":1}`, `[]`, `null`, `{}],[{}`,
	} {
		f.Add(seed)
	}
	good := string(encode(f, serviceRows(f, m365.Worldwide)))
	f.Fuzz(func(t *testing.T, rows string) {
		text := "[" + rows + "," + good[1:]
		l, err := m365.ParseList(m365.Worldwide, newVersion, []byte(text))
		if err != nil {
			return
		}
		p := newFrom(t, l)
		m := p.Mail()
		for _, d := range []policy.Destination{m.SMTP, m.IMAP, m.POP3} {
			if _, err := p.Check(d.Host, d.Port); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range p.Endpoints() {
			if why := tooMuch(e); why != "" {
				t.Fatalf("%s (%s) is allowed: %s", e, e.Source(), why)
			}
		}
		for _, r := range p.Ranges() {
			for _, prefix := range r.Prefixes {
				if r.Contains(netip.MustParseAddr("127.0.0.1")) || r.Contains(netip.MustParseAddr("10.0.0.1")) || prefix.Bits() < 8 {
					t.Fatalf("%s has %s", r.Source, prefix)
				}
			}
		}
	})
}

// tooMuch says why an endpoint should not be in any list.
func tooMuch(e policy.Endpoint) string {
	known := slices.Concat(m365.MicrosoftDomains(), m365.RentedDomains(), m365.CertificateDomains())
	if !slices.ContainsFunc(known, func(domain string) bool { return covers(domain, sample(e.Pattern())) }) {
		return "it is not below a known domain"
	}
	for _, domain := range slices.Concat(m365.RentedDomains(), m365.CertificateDomains()) {
		if covers(domain, sample(e.Pattern())) && strings.Contains(e.Pattern(), "*") {
			return "others have hosts there"
		}
	}
	if forbidden(e.Pattern()) {
		return "it is too wide"
	}
	return ""
}
