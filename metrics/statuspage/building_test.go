package statuspage

import (
	"fmt"
	"html"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/burndown"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/probes"
	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// What devices of a building are called, and what they are.
var (
	deviceKinds = []string{"scanner", "copier", "fax", "alarm-panel", "label-printer", "erp-mailer", "ups", "plotter", "door-controller"}
	places      = []string{"2nd-floor", "accounting", "reception", "warehouse-north", "lab", "post-room", "boardroom", "workshop"}
	models      = []string{
		"Ricoh MP C3004", "Konica Minolta bizhub C284e", "HP LaserJet 4250", "", "Xerox WorkCentre 7835", "Brother MFC-8880DN",
	}
	notes = []string{
		"", "key at reception", "", "lease ends in March 2027; call Ms. Kowalski before changing anything", "", "beside the lift",
	}
	ofFailures = []record.Reason{
		record.ReasonClientUnknownCA, record.ReasonSMTPAuthFailed, record.ReasonClientUnknownCA, record.ReasonSMTPSendAsDenied,
		record.ReasonPlaintextNotAllowed, record.ReasonClientClosedAfterCert, record.ReasonSMTPTooManyConnections,
	}
)

// device returns one of the devices of a building.
func device(i int, now time.Time) inventory.Client {
	name := deviceKinds[i%len(deviceKinds)] + "-" + places[i*7/len(deviceKinds)%len(places)]
	if i >= len(deviceKinds)*len(places)/2 {
		name += fmt.Sprintf("-%d", i)
	}
	if i%11 == 10 {
		name = "" // it has none
	}
	offered := []string{"TLS 1.0", "TLS 1.0", "TLS 1.2", "TLS 1.0", "TLS 1.1", "SSL 3.0", "TLS 1.3"}[i%7]
	c := lifted(i, name, offered, record.RuleTLSVersion, time.Duration(i*i%4000)*time.Minute)
	c.Address = netip.AddrFrom4([4]byte{192, 168, byte(20 + i/200), byte(10 + i%200)})
	if name == "" {
		c.Client = c.Address.String()
	}
	c.Host = fmt.Sprintf("dev-%03d.corp.example.com", i)
	c.Accepted, c.LastAccepted, c.MailPause = uint64(40+17*i), c.LastSeen, inventory.Seconds(3*24*60*60)
	switch {
	case offered == "TLS 1.3":
		c.LastLegacy, c.LastLifted, c.LastCapable = time.Time{}, time.Time{}, c.LastSeen
		c.Accepted, c.LastAccepted, c.MailPause = 0, time.Time{}, 0
		c.Destinations, c.Protocols = []string{"contoso-com.mail.protection.outlook.com:25"}, []string{"smtp"}
		c.Outcomes = map[record.Outcome]uint64{record.OutcomePassed: uint64(12 * i)}
	case i%5 == 1:
		c.Failure = failure(ofFailures[i/5%len(ofFailures)], c.LastSeen, "")
		c.LastGood, c.FailedInSession = now.Add(-9*day), uint64(i%4)
		c.Outcomes[record.OutcomeFailed] = uint64(1 + i%9)
	case i%13 == 3:
		c.LastAccepted = now.Add(-time.Duration(12+i%9) * day)
	}
	if i%9 == 0 {
		c.SSLv2Format = true
	}
	return c
}

// building returns what a building with so many devices has, after 90 days of replacing them.
func building(n int) *testenv.Inventory {
	now := time.Now()
	k := testenv.NewInventory()
	for i := range n {
		k.Add(device(i, now))
	}
	k.SetDays(buildingDays(n, now))
	return k
}

// buildingDays returns what was counted on each day.
func buildingDays(n int, now time.Time) []burndown.Day {
	var days []burndown.Day
	for ago := burndown.Date(burndown.Span - 1); ago >= 0; ago-- {
		date := burndown.DateOf(now) - ago
		left := float64(n) * (0.62 + 0.38*float64(ago)/burndown.Span)
		d := burndown.Day{Date: date, Needing: int(math.Ceil(left)), Lifted: int(left * (0.7 + 0.2*math.Sin(float64(ago))))}
		if weekday := (date + 4) % 7; weekday == 0 || weekday == 6 {
			d.Lifted /= 6
		}
		if ago < 40 || ago > 44 { // it was switched off for some days
			days = append(days, d)
		}
	}
	return days
}

// described returns what is in the clients file of the building.
func described(name string) clientfile.Description {
	if name == "" {
		return clientfile.Description{}
	}
	n := 0
	for _, b := range []byte(name) {
		n += int(b)
	}
	return clientfile.Description{Model: models[n%len(models)], Note: notes[n%len(notes)]}
}

// buildingOptions are those of the building's tlslift.
func buildingOptions(t testing.TB, k Inventory) Options {
	t.Helper()
	o := options(t, k)
	o.Host, o.Describe = "gateway.corp.example.com", described
	o.SignIn = func() tenant.State {
		s := aTenant()
		s.Mailboxes[1].Queue = []tenant.Waiter{
			{Client: "copier-accounting", Since: 12 * time.Second}, {Client: "scanner-2nd-floor", IsMail: true, Since: 9 * time.Second},
			{Client: "scanner-2nd-floor", IsMail: true, Since: 2 * time.Second},
		}
		return s
	}
	o.Probes = func() []probes.Probe {
		at := time.Now()
		return []probes.Probe{
			{Destination: "outlook.office365.com:993", At: at, Since: at.Add(-50 * time.Hour)},
			{Destination: "smtp.office365.com:587", Reason: record.ReasonUpstreamCertUntrusted, At: at, Since: at.Add(-3 * time.Hour)},
		}
	}
	return o
}

// The page shows how many clients were lifted on each day, in words too.
func TestBurnDown(t *testing.T) {
	t.Parallel()
	body := page(t, newSite(t, buildingOptions(t, building(37))), "/")
	if n := strings.Count(body, `<rect class="bar"`); n != burndown.Span-5 {
		t.Errorf("%d bars", n)
	}
	if n := strings.Count(body, "<polyline"); n != 2 {
		t.Errorf("%d lines, want 2: some days are missing", n)
	}
	wantInOrder(t, body, "Clients lifted per day", `aria-label="Clients lifted on each of the last 90 days. On `,
		"37 clients needed to be lifted; today, it is 32.", "clients lifted, 37 still needed it</title>", "still needed lifting</span>")
	wantInOrder(t, page(t, newSite(t, options(t, office())), "/"), "Clients lifted per day", "Nothing was counted yet.")
}

// The clients that fail are grouped by their reason, with one remedy for all of them.
func TestProblemsAreGrouped(t *testing.T) {
	t.Parallel()
	k := testenv.NewInventory()
	for i := range 40 {
		k.Add(failed(i, fmt.Sprintf("printer-%02d", i), time.Duration(i)*time.Minute))
	}
	other := failed(50, "copier", time.Hour)
	other.Failure = failure(record.ReasonClientUnknownCA, other.LastSeen, "")
	solved := failed(51, "plotter", day)
	solved.Failure, solved.LastGood = failure(record.ReasonSMTPSendAsDenied, other.LastSeen, ""), time.Now()
	k.Add(other)
	k.Add(solved)
	h := newSite(t, options(t, k))
	body := page(t, h, "/")
	if n := strings.Count(body, "smtp_auth_failed</a>"); n != 41 {
		t.Errorf("the reason is there %d times", n)
	}
	remedy := html.EscapeString(record.ReasonSMTPAuthFailed.Remedy()[:25])
	if n := strings.Count(body, remedy); n != 1 {
		t.Errorf("the remedy is there %d times", n)
	}
	wantInOrder(t, body, `href="/?reason=smtp_auth_failed">smtp_auth_failed</a>`, "40 clients, 40 failing now", remedy,
		`<a href="/clients/printer-00">`, `<a href="/clients/printer-11">`, `<a href="/?reason=smtp_auth_failed">and 28 more</a>`,
		"client_unknown_ca", "1 client, 1 failing now", "Solved", "smtp_send_as_denied", "1 client, last")
	only := page(t, h, "/?reason=client_unknown_ca&sort=seen")
	wantInOrder(t, only, "Only clients with", "reason client_unknown_ca ✕", "copier", "1 of 42 clients")
	if strings.Contains(only, `<td class="who"><a href="/clients/printer-00">`) {
		t.Error("a client with another reason is in the list")
	}
	if got := readJSON[Clients](t, h, "/api/v1/clients?reason=smtp_auth_failed&q=printer-0"); len(got.Clients) != 10 {
		t.Errorf("%d clients in the API", len(got.Clients))
	}
	resp, text := get(t, h, "/?reason=smtp_auth_faild")
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "is no reason; /reasons lists all") {
		t.Errorf("a misspelt reason: %d", resp.StatusCode)
	}
}

// Clients are counted by the version that they offer, and each count leads to them.
func TestVersions(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	wantInOrder(t, page(t, h, "/"), "TLS versions", `<a href="/?version=TLS&#43;1.0">TLS 1.0</a></td><td class="number">4</td>`,
		"TLS 1.1", "TLS 1.2", "TLS 1.3", `version=no&#43;TLS`)
	if got := readJSON[Clients](t, h, "/api/v1/clients?version=TLS+1.1"); len(got.Clients) != 2 {
		t.Errorf("%d clients with TLS 1.1", len(got.Clients))
	}
	wantInOrder(t, page(t, h, "/?version=TLS+1.1"), "offers TLS 1.1 ✕", "fax-reception", "plotter", "2 of 9 clients")
}

// A device that has stopped to deliver is seen: on the page, as a filter, in the API, in
// both CSV files.
func TestSilentDevices(t *testing.T) {
	t.Parallel()
	quiet, busy := lifted(1, "quiet", "TLS 1.0", "tls_version", time.Hour), lifted(2, "busy", "TLS 1.0", "tls_version", time.Hour)
	quiet.Accepted, quiet.LastAccepted, quiet.MailPause = 400, time.Now().Add(-12*day-time.Minute), 3*24*60*60
	busy.Accepted, busy.LastAccepted, busy.MailPause = 400, time.Now().Add(-8*day), 3*24*60*60
	h := newSite(t, options(t, testenv.NewInventory(quiet, busy)))
	body := page(t, h, "/?sort=name")
	wantInOrder(t, body, "Silent devices", "<strong>1</strong>", "Silent <span>1</span>", "<bdi>busy</bdi>", "8 days ago", "<bdi>quiet</bdi>",
		"12 days ago", `<span class="silent">silent</span>`, `id="silent-title"`, "quiet", "12 days ago", "3 days")
	if n := strings.Count(body, `<span class="silent">`); n != 1 {
		t.Errorf("%d clients are silent", n)
	}
	got := readJSON[Clients](t, h, "/api/v1/clients?filter=silent")
	if len(got.Clients) != 1 || !got.Clients[0].Silent || got.Clients[0].Client.Client != "quiet" {
		t.Errorf("the API says %+v", got)
	}
	wantInOrder(t, page(t, h, "/clients/quiet"), "Last mail accepted", "12 days ago",
		"Longest time without a mail", "3 days; it is silent now")
	for _, path := range []string{"/api/v1/clients.csv?filter=silent", "/report.csv?filter=silent"} {
		if text := page(t, h, path); strings.Count(text, "\n") != 2 || !strings.Contains(text, "quiet") {
			t.Errorf("%s: %s", path, text)
		}
	}
	wantInOrder(t, page(t, newSite(t, options(t, office())), "/"), "Every device that used to deliver mail still does.")
}

// What the clients file says of a device is on the pages, in the API and in both CSV files,
// can be searched for, and stays text.
func TestModelAndNote(t *testing.T) {
	t.Parallel()
	o := options(t, office())
	o.Describe = func(name string) clientfile.Description {
		if name != "copier-accounting" {
			return clientfile.Description{}
		}
		return clientfile.Description{Model: `Ricoh <b>"C3004"`, Note: "=1+1 key at </td><script>alert(1)</script>"}
	}
	h := newSite(t, o)
	const model, note = "Ricoh &lt;b&gt;&#34;C3004&#34;", "=1&#43;1 key at &lt;/td&gt;&lt;script&gt;"
	for _, path := range []string{"/", "/clients/copier-accounting", "/report", "/?q=c3004", "/?q=KEY+AT"} {
		body := page(t, h, path)
		wantInOrder(t, body, model, note)
		if strings.Contains(body, "<script>alert") {
			t.Errorf("%s has markup of a note", path)
		}
	}
	got := readJSON[Clients](t, h, "/api/v1/clients?q=c3004")
	if len(got.Clients) != 1 || got.Clients[0].Model != `Ricoh <b>"C3004"` || !strings.HasPrefix(got.Clients[0].Note, "=1+1 key") {
		t.Errorf("the API says %+v", got)
	}
	for _, path := range []string{"/report.csv", "/api/v1/clients.csv"} {
		if text := page(t, h, path); !strings.Contains(text, `"Ricoh <b>""C3004"""`) || !strings.Contains(text, ",'=1+1 key") {
			t.Errorf("%s: %s", path, text)
		}
	}
}

// The report has all clients of its query on one page, and says from where and from when it is.
func TestReport(t *testing.T) {
	t.Parallel()
	h := newSite(t, buildingOptions(t, building(300)))
	body := page(t, h, "/report?sort=name")
	if n := strings.Count(body, `<td class="who">`); n != 300 {
		t.Errorf("%d clients", n)
	}
	wantInOrder(t, body, "<title>Report · gateway.corp.example.com · tlslift</title>",
		"Clients of tlslift on <bdi>gateway.corp.example.com</bdi>", time.Now().Format("2006-01-02 15:"), "300 clients", "/report.csv?filter=all",
		"Still need lifting", "Clients lifted per day", "TLS versions", "Problems, and what to do", "client_unknown_ca", "Last mail", "Last seen")
	wantInOrder(t, page(t, h, "/"), `href="/report?filter=all"`)
	failing := page(t, h, "/report?filter=failing&reason=client_unknown_ca&q=scanner")
	wantInOrder(t, failing, "of 300 clients (failing) · only reason client_unknown_ca",
		"/report.csv?filter=failing&amp;q=scanner&amp;reason=client_unknown_ca")
	if strings.Contains(failing, "smtp_auth_failed") || strings.Contains(failing, "alarm-panel") {
		t.Error("the report has what was not asked for")
	}
	if text := page(t, h, "/report.csv"); strings.Count(text, "\r\n") != 301 {
		t.Errorf("%d lines in the CSV file", strings.Count(text, "\r\n"))
	}
	many := page(t, newSite(t, options(t, many(maxReported+7))), "/report")
	n := strings.Count(many, `<td class="who">`)
	if n != maxReported || !strings.Contains(many, "7 more are left out: the CSV file has them.") {
		t.Errorf("%d clients of too many", n)
	}
	for _, path := range []string{"/report?sort=x", "/report.csv?sort=x"} {
		if resp, text := get(t, h, path); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "none of name") {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// Where a sentence names a file of this address, that is a link; on an address that has no
// such file, it is not. Sentences stay text otherwise.
func TestPathsAreLinks(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	for _, path := range []string{"/", "/clients/copier-accounting", "/reasons"} {
		wantInOrder(t, page(t, h, path), `(<a href="/ca.pem">/ca.pem</a> on the admin address`, `<a href="/ca-sha1.pem">/ca-sha1.pem</a>`)
	}
	if body := page(t, newSite(t, Options{}), "/reasons"); strings.Contains(body, `<a href="/ca`) && !strings.Contains(body, "(/ca.pem on") {
		t.Error("a link leads to a certificate that is not there")
	}
	l := linker{&site{Options: Options{Authority: testCA(t)}}}
	for sentence, want := range map[string]string{
		"Get /ca.pem, or <b>/ca</b>.":   `Get <a href="/ca.pem">/ca.pem</a>, or &lt;b&gt;/ca&lt;/b&gt;.`,
		"x/ca.pem /ca.pem.bak /ca-x /":  "x/ca.pem /ca.pem.bak /ca-x /",
		"See /reasons “/metrics” /CA":   `See <a href="/reasons">/reasons</a> “<a href="/metrics">/metrics</a>” /CA`,
		`(/ca"onclick=alert(1)) & /ca`:  `(<a href="/ca">/ca</a>&#34;onclick=alert(1)) &amp; <a href="/ca">/ca</a>`,
		"//ca.pem /etc/passwd http://a": "//ca.pem /etc/passwd http://a",
	} {
		if got := string(l.linked(sentence)); got != want {
			t.Errorf("%q became %s", sentence, got)
		}
	}
}

// Who waits at a mailbox is shown in the order in which they are served.
func TestQueueOfAMailbox(t *testing.T) {
	t.Parallel()
	wantInOrder(t, page(t, newSite(t, buildingOptions(t, building(3))), "/"), "scan@contoso.com", "1 session, 2 mails", `class="queue"`,
		`<a href="/clients/copier-accounting"><bdi>copier-accounting</bdi></a> for a session, 12s`,
		`<bdi>scanner-2nd-floor</bdi></a> to send a mail, 9s`, "to send a mail, 2s", "fax@contoso.com", "nobody")
}

// Title and foot say which machine it is, and when that was.
func TestHostInTheTitle(t *testing.T) {
	t.Parallel()
	o := buildingOptions(t, building(3))
	for path, title := range map[string]string{"/": "Status", "/ca": "CA certificate", "/reasons": "Reasons and rules"} {
		wantInOrder(t, page(t, newSite(t, o), path), "<title>"+title+" · gateway.corp.example.com · tlslift</title>",
			"<footer>", "gateway.corp.example.com", time.Now().Format("2006-01-02 15:"))
	}
	public, err := NewPublic(o)
	if err != nil {
		t.Fatal(err)
	}
	if body := page(t, public, "/ca"); strings.Contains(body, "gateway.corp") {
		t.Error("the public page has the name of the machine")
	}
}

// BenchmarkPages builds the pages of a large building.
func BenchmarkPages(b *testing.B) {
	h := newSite(b, buildingOptions(b, building(2000)))
	for _, path := range []string{"/", "/?filter=failing", "/report", "/report.csv", "/api/v1/clients"} {
		b.Run(path[1:], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(int64(len(page(b, h, path))))
			}
		})
	}
}

// A long name may be broken after its dots, a short one nowhere; both stay text.
func TestBreakable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"smtp.contoso.com:25":                        "smtp.contoso.com:25",
		"smtp.office365.com:587":                     "smtp.<wbr>office365.<wbr>com:587",
		"contoso-com.mail.protection.outlook.com:25": "contoso-com.<wbr>mail.<wbr>protection.<wbr>outlook.<wbr>com:25",
		"TLS_RSA_WITH_AES_128_CBC_SHA":               "TLS_<wbr>RSA_<wbr>WITH_<wbr>AES_<wbr>128_<wbr>CBC_<wbr>SHA",
		"TLS_AES_128_GCM_SHA256":                     "TLS_<wbr>AES_<wbr>128_<wbr>GCM_<wbr>SHA256",
		"<script>alert(1)</script>.example.com":      "&lt;script&gt;alert(1)&lt;/script&gt;.<wbr>example.<wbr>com",
	} {
		if got := string(breakable(name)); got != want {
			t.Errorf("%q became %s", name, got)
		}
	}
}
