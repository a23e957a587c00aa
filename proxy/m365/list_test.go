package m365_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func newFrom(t testing.TB, l m365.List, extra ...policy.Endpoint) *m365.Policy {
	t.Helper()
	p, err := m365.NewFrom(l, extra)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What Microsoft published on the day the table was made gives the table.
func TestParseListMakesTheTable(t *testing.T) {
	t.Parallel()
	for _, instance := range m365.Instances() {
		l := readList(t, instance, serviceRows(t, instance))
		got, want := newFrom(t, l), newPolicy(t, instance)
		if !slices.Equal(texts(got), texts(want)) {
			added, removed := policy.Difference(want.Endpoints(), got.Endpoints())
			t.Errorf("%s: added %v, removed %v", instance, added, removed)
		}
		if len(got.Ranges()) != len(want.Ranges()) {
			t.Errorf("%s: %d ranges, want %d", instance, len(got.Ranges()), len(want.Ranges()))
		}
		for _, left := range l.Omissions() {
			if !left.Known {
				t.Errorf("%s: %+v is left out", instance, left)
			}
		}
		if l.Instance() != instance || l.String() != "version "+newVersion || l.Version() != newVersion {
			t.Errorf("%s: the list says it is %s of %s", instance, l, l.Instance())
		}
		if day := l.Published().Format(time.DateOnly); day != "2026-11-24" {
			t.Errorf("%s: published %s", instance, day)
		}
	}
}

func TestBuiltIn(t *testing.T) {
	t.Parallel()
	l, err := m365.BuiltIn("")
	if err != nil {
		t.Fatal(err)
	}
	if l.String() != "built in, published 2026-08-14" || l.Instance() != m365.Worldwide || l.Version() != "" {
		t.Errorf("the built-in list is %s of %s, version %q", l, l.Instance(), l.Version())
	}
	if got := newPolicy(t, m365.China).List(); got.String() != "built in" || !got.Published().IsZero() {
		t.Errorf("the built-in list of china is %s", got)
	}
	if _, err := m365.BuiltIn("mars"); err == nil {
		t.Error("mars has a list")
	}
	if _, err := m365.NewFrom(m365.List{}, nil); err == nil {
		t.Error("a policy without a list is accepted")
	}
}

func TestParseListTakesWhatMicrosoftRuns(t *testing.T) {
	t.Parallel()
	p := newFrom(t, readList(t, m365.Worldwide, withRow(t, "443, 993, 8443, 1-79",
		"new.outlook.office365.com", "fresh.microsoft.com", "*.fresh.microsoft.com", "*cdn.onenote.com", "*.newer.cloud.microsoft")))
	for _, host := range []string{
		"new.outlook.office365.com:993", "fresh.microsoft.com:443", "a.b.fresh.microsoft.com:443", "xcdn.onenote.com:443",
		"x.newer.cloud.microsoft:993", "x.newer.cloud.microsoft:25",
		// What was there, and the supplements.
		"smtp.office365.com:587", "smtp.office365.com:25", "smtp.hve.mx.microsoft:587", "graph.microsoft.com:443",
	} {
		if got := testenv.Verdict(t, p, host); got != allowed {
			t.Errorf("%s is refused with %q", host, got)
		}
	}
	// Port 80 is not published for it; nobody has ever needed the others.
	for _, port := range []string{"80", "22", "8443", "1"} {
		if got := testenv.Verdict(t, p, "fresh.microsoft.com:"+port); got != record.ReasonPortNotAllowed {
			t.Errorf("port %s of a new host gets %q", port, got)
		}
	}
	i := slices.IndexFunc(p.Endpoints(), func(e policy.Endpoint) bool { return e.Pattern() == "fresh.microsoft.com" })
	if p.Endpoints()[i].Source() != "row 900, Common" {
		t.Errorf("the source of a new host is %s", p.Endpoints()[i].Source())
	}
}

// A host that nobody knows to be Microsoft's is not taken, and not passed over
// in silence.
func TestParseListLeavesOut(t *testing.T) {
	t.Parallel()
	hosts := []string{
		"evil.example", "*.evil.example", "office.com.evil.example", "xoffice.com", "notmicrosoft.com", "www.digicert.com",
		"*.digicert.com", "fresh.blob.core.windows.net", "fresh.azureedge.net", "fresh.eastus.cloudapp.azure.com", "*.azureedge.net",
		"*.x.azureedge.net", "*.windows.net", "*.blob.core.windows.net",
		"*.cloudapp.azure.com", "*.azure.com", "*.vault.azure.net", "*.microsoft.com", "*t.microsoft.com", "a.*.microsoft.com",
		"*.onmicrosoft.com", "a.*.b.onmicrosoft.com", "*.live.com", "*.msecnd.net", "*.windows.com", "*.microsoft.us", "*.apps.mil",
		"*.x.apps.mil", "*.com", "*", "", "13.107.6.152", "[::1]", "a b.office.com", "a\nb.office.com", "https://www.office.com",
		"office.*", "*.*.office.com", "*.example", "*.akamaized.net", "microsoft", strings.Repeat("x", 5000) + ".office.com",
	}
	l := readList(t, m365.Worldwide, withRow(t, "443", hosts...))
	var left []m365.Omission
	for _, one := range l.Omissions() {
		if one.Row == 900 {
			left = append(left, one)
		}
	}
	if len(left) != len(hosts) {
		t.Errorf("%d of %d hosts are reported as left out: %v", len(left), len(hosts), left)
	}
	for _, one := range left {
		if one.Known != (one.Host == "*.msecnd.net") || one.Why == "" || len(one.Host) > 300 {
			t.Errorf("left out: %.300v", one)
		}
	}
	if added, removed := policy.Difference(newPolicy(t, m365.Worldwide).Endpoints(), newFrom(t, l).Endpoints()); len(added)+len(removed) != 0 {
		t.Errorf("the policy gains %v and loses %v", added, removed)
	}
}

// Of the certificate row only known hosts are taken, on port 80, whatever is
// published.
func TestParseListCertificateRow(t *testing.T) {
	t.Parallel()
	rows := change(t, serviceRows(t, m365.Worldwide), 125, func(r *serviceRow) {
		r.URLs = append(r.URLs, "crl.new.example", "*.microsoft.com", "new.msocsp.com", "ocsp5.digicert.com")
		r.Ports = "1-65535"
	})
	l := readList(t, m365.Worldwide, rows)
	if added, removed := policy.Difference(newPolicy(t, m365.Worldwide).Endpoints(), newFrom(t, l).Endpoints()); len(added)+len(removed) != 0 {
		t.Errorf("the policy gains %v and loses %v", added, removed)
	}
	var news []string
	for _, one := range l.Omissions() {
		if !one.Known {
			news = append(news, one.Host)
		}
	}
	if !slices.Equal(news, []string{"*.microsoft.com", "new.msocsp.com"}) {
		t.Errorf("what is worth a look: %v", news)
	}
}

// The other instances have rows with the same numbers, for other things.
func TestRowNumbersAreOfOneInstance(t *testing.T) {
	t.Parallel()
	rows := append(serviceRows(t, m365.GCCHigh),
		serviceRow{ID: 2, Area: "Exchange", URLs: []string{"optional.office365.us"}, Ports: "443"},
		serviceRow{ID: 125, Area: "Common", URLs: []string{"required.office365.us"}, Ports: "443", Required: true})
	p := newFrom(t, readList(t, m365.GCCHigh, rows))
	if got := testenv.Verdict(t, p, "required.office365.us:443"); got != allowed {
		t.Errorf("a required row is refused with %q", got)
	}
	if slices.ContainsFunc(p.Endpoints(), func(e policy.Endpoint) bool { return e.Source() == "row 2, Exchange" }) {
		t.Error("an optional row is allowed")
	}
}

func TestDifference(t *testing.T) {
	t.Parallel()
	old := newPolicy(t, m365.Worldwide)
	rows := change(t, withRow(t, "443", "b.office.net", "a.office.net"), 159, func(r *serviceRow) { r.Ports = "443" })
	added, removed := policy.Difference(old.Endpoints(), newFrom(t, readList(t, m365.Worldwide, rows)).Endpoints())
	if want := []string{"a.office.net:443", "admin.microsoft.com:443", "b.office.net:443"}; !slices.Equal(added, want) {
		t.Errorf("added %v, want %v", added, want)
	}
	if want := []string{"admin.microsoft.com:80,443"}; !slices.Equal(removed, want) {
		t.Errorf("removed %v, want %v", removed, want)
	}
	var many []string
	for i := range 80 {
		many = append(many, fmt.Sprintf("h%02d.office.net", i))
	}
	added, _ = policy.Difference(old.Endpoints(), newFrom(t, readList(t, m365.Worldwide, withRow(t, "443", many...))).Endpoints())
	if len(added) != 51 || added[0] != "h00.office.net:443" || added[50] != "and 30 more" {
		t.Errorf("a long difference: %v", added)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, m365.Worldwide, "*.office365.com:8443")
	endpoints, err := p.Matches("SMTP.office365.com.")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range endpoints {
		got = append(got, e.String()+" "+e.Source())
	}
	slices.Sort(got)
	want := []string{
		"*.office365.com:80,443 row 71, Common", "*.office365.com:8443 operator",
		"smtp.office365.com:143,587,993,995 row 2, Exchange", "smtp.office365.com:25 supplement, Exchange",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if ports := policy.PortsOf(endpoints); ports != "25,80,143,443,587,993,995,8443" {
		t.Errorf("all ports: %s", ports)
	}
	if endpoints[0].Pattern() != "smtp.office365.com" || !endpoints[3].HasPort(8443) && !endpoints[3].HasPort(443) ||
		endpoints[3].HasPort(25) {
		t.Errorf("not the most specific first: %v", endpoints)
	}
	if endpoints, err := p.Matches("evil.example"); err != nil || len(endpoints) != 0 {
		t.Errorf("evil.example matches %v, %v", endpoints, err)
	}
	if _, err := p.Matches("127.1"); testenv.ReasonOf(t, err) != record.ReasonDestinationIsAddress {
		t.Errorf("127.1 is not called an address: %v", err)
	}
}
