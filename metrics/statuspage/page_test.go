package statuspage

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

var allPaths = []string{
	"/", "/?filter=failing", "/clients/copier-accounting", "/clients/nobody", "/reasons", "/ca", "/ca.pem", "/ca.der", "/ca.p7b",
	"/ca-sha1.pem", "/ca-sha1.der", "/ca-backdated.pem",
	"/proxy.pac", "/report", "/report.csv", "/api/v1/clients", "/api/v1/clients.csv", "/api/v1/clients/192.0.2.57", "/api/v1/connections",
	"/assets/style.css", "/assets/live.js", "/nowhere",
}

func TestEveryAnswerIsLockedDown(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	for _, path := range allPaths {
		resp, body := get(t, h, path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
				"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Set-Cookie": "",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if resp.Header.Get("Content-Type") == "" || strings.Contains(body, " style=") || regexp.MustCompile(` on[a-z]+=`).MatchString(body) {
			t.Errorf("%s: no content type, or something inline", path)
		}
		if external := regexp.MustCompile(`(src|href)="(https?:)?//`).FindString(body); external != "" {
			t.Errorf("%s loads something from another server: %s", path, external)
		}
		missing := path == "/nowhere" || path == "/clients/nobody"
		if (resp.StatusCode == http.StatusNotFound) != missing || !missing && resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
}

func TestStatusPageAnswersTheThreeQuestions(t *testing.T) {
	t.Parallel()
	body := page(t, newSite(t, options(t, office())), "/")
	wantInOrder(t, body, "Still need lifting", "<strong>8</strong>", "Failing now", "<strong>3</strong>",
		"switch tlslift off", "Not now", "Last lifted", "7 in 7 days, 7 in 30 days",
		"Problems, and what to do", "client_unknown_ca", "1 client, 1 failing now", record.ReasonClientUnknownCA.Cause()[:20],
		`<a href="/clients/copier-accounting">`, "Clients</h2>", "copier-accounting", "client_unknown_ca", "TLS versions",
		"Silent devices", "Destinations", "smtp.<wbr>office365.<wbr>com:587",
		"smtps://:465", "tlslift CA of gateway.example.com", "worldwide, version 2026112400", "20 minutes ago")
}

func TestWhenItCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	now := time.Now()
	passing := inventory.Client{
		Client: "a", Rule: "capable", LastSeen: now, LastGood: now, Outcomes: map[record.Outcome]uint64{record.OutcomePassed: 1},
	}
	for want, at := range map[string]time.Duration{
		"Not now": day, "Not yet": 10 * day,
		"No client has needed it since " + now.Add(-40*day).UTC().Format("2 January 2006"): 40 * day,
	} {
		old := lifted(1, "b", "TLS 1.0", "tls_version", at)
		body := page(t, newSite(t, options(t, testenv.NewInventory(passing, old))), "/")
		wantInOrder(t, body, "switch tlslift off", want)
	}
	wantInOrder(t, page(t, newSite(t, options(t, testenv.NewInventory(passing))), "/"), "No client has needed it so far")
	wantInOrder(t, page(t, newSite(t, Options{}), "/"), "No client has connected yet", "No client has connected yet. A client appears")
}

func TestSortingAndFilteringWithoutJavaScript(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	row := regexp.MustCompile(`<td class="who"><a href="/clients/[^"]*"><bdi>([^<]*)</bdi>`)
	for query, want := range map[string]string{
		"": "192.0.2.90 copier-accounting fax-reception erp-mailer lab-pc-xp plotter " +
			"scanner-2nd-floor scanner-warehouse 192.0.2.57",
		"sort=name": "192.0.2.57 192.0.2.90 copier-accounting erp-mailer fax-reception lab-pc-xp plotter " +
			"scanner-2nd-floor scanner-warehouse",
		"sort=seen&filter=failing":      "copier-accounting fax-reception 192.0.2.90",
		"sort=version&q=scanner":        "scanner-2nd-floor scanner-warehouse",
		"q=sharepoint&sort=failures":    "192.0.2.57",
		"q=<script>&filter=failing":     "",
		"q=client_unknown_ca&page=1000": "copier-accounting",
	} {
		var names []string
		for _, m := range row.FindAllStringSubmatch(page(t, h, "/?"+strings.NewReplacer("<", "%3C", ">", "%3E").Replace(query)), -1) {
			names = append(names, m[1])
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", query, got, want)
		}
	}
}

func TestManyClientsArePaged(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, many(450)))
	first := page(t, h, "/?sort=name&q=printer")
	if n := strings.Count(first, `class="who"`); n != pageSize {
		t.Errorf("the first page has %d clients", n)
	}
	wantInOrder(t, first, "printer-0199", "200 of 450 clients on this page", "page=2", "Next")
	last := page(t, h, "/?sort=name&q=printer&page=3")
	wantInOrder(t, last, "printer-0400", "printer-0449", "Previous")
	if strings.Contains(last, "Next") {
		t.Error("the last page has a next one")
	}
}

func TestAClientsPage(t *testing.T) {
	t.Parallel()
	body := page(t, newSite(t, options(t, office())), "/clients/copier-accounting")
	wantInOrder(t, body, "<h1><bdi>copier-accounting</bdi></h1>", "/reasons#rule-tls_version", "it does not offer TLS 1.2 or newer",
		"What is wrong, and what to do", "Whose fault: client", "client_unknown_ca", "unknown certificate authority",
		"Last connections", "failed", "lifted", strings.ReplaceAll("TLS_RSA_WITH_AES_128_CBC_SHA", "_", "_<wbr>"),
		"Details", "192.0.2.32", "/api/v1/clients/copier-accounting")
}

func TestNamesWithASlashHaveAPage(t *testing.T) {
	t.Parallel()
	k := testenv.NewInventory(lifted(1, "2nd floor/left 100%?#", "TLS 1.0", "tls_version", 0))
	h := newSite(t, options(t, k))
	link := regexp.MustCompile(`href="(/clients/[^"]*)"`).FindStringSubmatch(page(t, h, "/"))
	if link == nil {
		t.Fatal("the client has no link")
	}
	wantInOrder(t, page(t, h, link[1]), "2nd floor/left 100%?#")
}

func TestReasonsAndRulesHaveAnchors(t *testing.T) {
	t.Parallel()
	body := page(t, newSite(t, Options{}), "/reasons")
	for _, r := range record.Reasons() {
		wantInOrder(t, body, `id="`+string(r)+`"`, "Whose fault: "+html.EscapeString(faultText(r.Fault())))
		if faultText(r.Fault()) == "" {
			t.Errorf("the fault of %s has no words", r)
		}
	}
	for _, r := range record.Rules() {
		wantInOrder(t, body, `id="rule-`+string(r)+`"`, html.EscapeString(r.Meaning()), html.EscapeString(r.Needs()))
	}
}

// Whatever clients choose stays text: markup, direction and length.
func TestHostileNamesStayText(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, hostile()))
	paths := []string{"/", "/?sort=name", "/api/v1/clients", "/api/v1/connections", "/proxy.pac"}
	for _, s := range hostileTexts()[:12] {
		paths = append(paths, clientLink(s))
	}
	for _, path := range paths {
		resp, body := get(t, h, path)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, resp.StatusCode)
			continue
		}
		isHTML := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
		for _, markup := range []string{"<script>alert", "<img", "<svg onload", "</title><svg", `" onerror`, `href="javascript:`} {
			if isHTML && strings.Contains(body, markup) {
				t.Errorf("%s has %q", path, markup)
			}
		}
		if strings.ContainsFunc(body, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("%s has control or format characters", path)
		}
		if isHTML && len(body) > 200_000 {
			t.Errorf("%s has %d bytes", path, len(body))
		}
	}
}
