package statuspage

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func failure(reason record.Reason, at time.Time, detail string) *inventory.Failure {
	return &inventory.Failure{
		At: at, Reason: reason, Fault: reason.Fault(), Cause: reason.Cause(), Remedy: reason.Remedy(), Detail: detail,
	}
}

// lifted is a client that needs tlslift and gets what it wants.
func lifted(n int, name, offered string, rule record.Rule, seen time.Duration) inventory.Client {
	now := time.Now()
	c := inventory.Client{
		Client: name, Name: name, Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}),
		FirstSeen: now.Add(-80 * day), LastSeen: now.Add(-seen), LastGood: now.Add(-seen), LastLifted: now.Add(-seen),
		LastLegacy: now.Add(-seen),
		Offered:    offered, Rule: rule, Version: offered, CipherSuite: "TLS_RSA_WITH_AES_128_CBC_SHA", KeyExchange: "RSA",
		Protocols: []string{"smtp"}, Destinations: []string{"smtp.office365.com:587"}, Listeners: []string{"smtp://:587"},
		Outcomes:        map[record.Outcome]uint64{record.OutcomeLifted: uint64(20 + 13*n)},
		BytesFromClient: uint64(n) * 38_211_904, BytesToClient: uint64(n) * 51_022,
	}
	if name == "" {
		c.Client = c.Address.String()
	}
	return c
}

// office is what a small company has.
func office() *testenv.Inventory {
	now := time.Now()
	scanner := lifted(31, "scanner-2nd-floor", "TLS 1.0", "tls_version", 4*time.Minute)
	scanner.SSLv2Format, scanner.Rule = true, "hello_format"
	copier := lifted(32, "copier-accounting", "TLS 1.0", "tls_version", 11*time.Minute)
	copier.Failure = failure(record.ReasonClientUnknownCA, now.Add(-11*time.Minute), "remote error: tls: unknown certificate authority")
	copier.LastGood = now.Add(-26 * time.Hour)
	copier.Outcomes[record.OutcomeFailed] = 7
	fax := lifted(33, "fax-reception", "TLS 1.1", "tls_version", 2*time.Hour)
	fax.Failure = failure(record.ReasonSMTPSendAsDenied, now.Add(-2*time.Hour), "554 5.2.252")
	fax.LastGood, fax.SMTPReply = now.Add(-9*day), "554 5.2.252"
	fax.Outcomes[record.OutcomeFailed] = 3
	erp := lifted(40, "erp-mailer", "TLS 1.2", "cipher_suites", 40*time.Second)
	erp.Host, erp.KeyExchange = "erp.example.com", "DHE"
	erp.Destinations = []string{"outlook.office365.com:443", "login.microsoftonline.com:443", "smtp.office365.com:587"}
	erp.Protocols = []string{"http", "smtp"}
	xp := lifted(44, "lab-pc-xp", "TLS 1.0", "tls_version", 3*day)
	xp.Protocols, xp.Destinations = []string{"imap"}, []string{"outlook.office365.com:993"}
	desk := lifted(57, "", "TLS 1.3", "capable", 25*time.Second)
	desk.LastLegacy, desk.LastCapable = time.Time{}, desk.LastSeen
	desk.LastLifted, desk.Version, desk.CipherSuite, desk.KeyExchange = time.Time{}, "", "", ""
	desk.Outcomes = map[record.Outcome]uint64{record.OutcomePassed: 1204}
	desk.Host, desk.Protocols = "desk-57.example.com", []string{"tls"}
	desk.Destinations = []string{"outlook.office365.com:443", "contoso.sharepoint.com:443"}
	camera := lifted(90, "", "none", "", 6*time.Hour)
	camera.LastLifted, camera.LastGood, camera.Rule, camera.Version, camera.CipherSuite = time.Time{}, time.Time{}, "", "", ""
	camera.Outcomes = map[record.Outcome]uint64{record.OutcomeRefused: 18}
	camera.Failure = failure(record.ReasonPlaintextNotAllowed, now.Add(-6*time.Hour), "")
	warehouse := lifted(35, "scanner-warehouse", "TLS 1.0", "tls_version", 19*time.Minute)
	warehouse.Mailbox, warehouse.Login, warehouse.LastSignIn = "scan@contoso.com", "warehouse", warehouse.LastSeen
	k := testenv.NewInventory(
		scanner, copier, fax, erp, xp, desk, camera,
		warehouse,
		lifted(36, "plotter", "TLS 1.1", "tls_version", 2*day),
	)
	k.Connect(inventory.Connection{Start: now.Add(-30 * time.Minute), Seconds: 2, Client: "copier-accounting", Address: copier.Address,
		Protocol: "smtp", Destination: "smtp.office365.com:587", Offered: "TLS 1.0", Rule: "tls_version", Outcome: record.OutcomeLifted,
		ClientTLS: "TLS 1.0 TLS_RSA_WITH_AES_128_CBC_SHA", UpstreamTLS: "TLS 1.3 TLS_AES_256_GCM_SHA384", FromClient: 812_412, ToClient: 2_112,
		Mailbox: "scan@contoso.com", Login: "copier1"})
	k.Connect(inventory.Connection{Start: now.Add(-11 * time.Minute), Seconds: 0.14, Client: "copier-accounting", Address: copier.Address,
		Protocol: "smtp", Destination: "smtp.office365.com:587", Offered: "TLS 1.0", Rule: "tls_version", Outcome: record.OutcomeFailed,
		Reason: record.ReasonClientUnknownCA, Cause: record.ReasonClientUnknownCA.Cause(), Remedy: record.ReasonClientUnknownCA.Remedy(),
		Detail: copier.Failure.Detail, UpstreamTLS: "TLS 1.3 TLS_AES_256_GCM_SHA384"})
	return k
}

// hostileTexts are what a client may send where a name is expected.
func hostileTexts() []string {
	return []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`, `</title><svg onload=alert(1)>`,
		"evil\u202egnp.exe", "a\x1b[31mred\x1b]0;title\x07", "\u009b31mC1", "line\nbreak\r\ttab\x00nul\x7f", "bad\xff\xfeutf8",
		`=HYPERLINK("http://192.0.2.1/","x")`, "+1+1", "-1+1", "@SUM(A1)", " =1+1", "＝1+1", "\t=1+1",
		`*/ alert(1); /*`, `"+alert(1)+"`, "\u2028alert(1)\u2029", "javascript:alert(1)", "../../etc/passwd", "%2e%2e/%00",
		strings.Repeat("x", 100_000),
	}
}

// hostile has each text in each field.
func hostile() *testenv.Inventory {
	k := testenv.NewInventory()
	now := time.Now()
	for i, s := range hostileTexts() {
		k.Add(inventory.Client{
			Client: s, Name: s, Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Host: s, FirstSeen: now, LastSeen: now,
			Offered: s, JA3: s, JA4: s, Rule: record.Rule(s), Version: s, CipherSuite: s, KeyExchange: s,
			Protocols: []string{s}, Destinations: []string{s}, Listeners: []string{s},
			LastLifted: now, Outcomes: map[record.Outcome]uint64{record.OutcomeFailed: 1}, SMTPReply: s,
			Mailbox: s, Login: s, LastSignIn: now,
			Failure: &inventory.Failure{At: now, Reason: record.Reason(s), Cause: s, Remedy: s, Detail: s},
		})
		k.Connect(inventory.Connection{
			Start: now, Client: s, Listener: s, Protocol: s, Destination: s, Original: s, ServerName: s, Offered: s, Rule: record.Rule(s),
			Outcome: record.Outcome(s), Reason: record.Reason(s), Cause: s, Remedy: s, Detail: s, ClientTLS: s, UpstreamTLS: s, SMTPReply: s,
			Mailbox: s, Login: s,
		})
	}
	return k
}

func testCA(t testing.TB) Authority {
	t.Helper()
	template := testenv.Template("tlslift CA of gateway.example.com")
	template.NotBefore, template.NotAfter = time.Now().Add(-day), time.Now().Add(9*365*day)
	template.IsCA, template.BasicConstraintsValid = true, true
	form := func() *x509.Certificate { return testenv.SelfSigned(t, template, testenv.ECDSAKey(t)).Leaf }
	return Authority{
		Certificate: form(), SHA1: form(), Backdated: form(),
		Fingerprint: "9B:41:07:CE:52:80:FD:3A:66:12:9D:E4:08:B7:71:5C:20:AF:93:0E:D8:44:1B:67:F5:3C:8A:E1:29:50:B6:7D",
	}
}

func listeners(t testing.TB, all ...string) func() []listener.URL {
	t.Helper()
	urls := make([]listener.URL, len(all))
	for i, s := range all {
		u, err := listener.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		urls[i] = u
	}
	return func() []listener.URL { return urls }
}

// aTenant is a tenant with a busy mailbox, and one whose person has to sign in again.
func aTenant() tenant.State {
	now := time.Now()
	return tenant.State{
		Tenant: "contoso.onmicrosoft.com", Credential: tenant.Credential{Kind: "secret", Expires: now.Add(20*day + time.Minute)},
		Mailboxes: []tenant.Mailbox{
			{Address: "fax@contoso.com", MaxSessions: 3},
			{Address: "scan@contoso.com", Sessions: 3, MaxSessions: 3, Waiting: 1, WaitingMails: 2, Oldest: 12 * time.Second},
		},
		Tokens: []tenant.Token{
			{Expires: now.Add(50*time.Minute + time.Second)},
			{
				Account: "jane@contoso.com", Protocol: record.ProtocolIMAP, Reason: record.ReasonDelegatedLoginMissing,
				Detail: "AADSTS50173 (invalid_grant)", Failed: now.Add(-3*time.Minute - time.Second),
			},
		},
	}
}

// options are those of a small company's tlslift.
func options(t testing.TB, k Inventory) Options {
	t.Helper()
	return Options{
		Inventory: k, Authority: testCA(t), Version: "1.0.0",
		Listeners: listeners(t, "proxy://:3128", "smtp://:587", "smtps://:465"),
		SignIn:    aTenant,
		Endpoints: func() Endpoints {
			return Endpoints{
				Instance: "worldwide", List: "version 2026112400",
				Checked: time.Now().Add(-20*time.Minute - time.Second), Refreshed: true,
				Patterns: []string{"outlook.office365.com", "*.sharepoint.com", "autodiscover.*.onmicrosoft.com", "*-files.example.com"},
			}
		},
	}
}

func newSite(t testing.TB, o Options) http.Handler {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// get asks for a path and returns the answer with its body.
func get(t testing.TB, h http.Handler, path string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// page is get of something that is there.
func page(t testing.TB, h http.Handler, path string) string {
	t.Helper()
	resp, body := get(t, h, path)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d: %s", path, resp.StatusCode, body)
	}
	return body
}

// wantInOrder fails unless the texts are in s one after the other.
func wantInOrder(t *testing.T, s string, texts ...string) {
	t.Helper()
	rest := s
	for _, text := range texts {
		i := strings.Index(rest, text)
		if i < 0 {
			t.Fatalf("%q is missing, or not after those before it, of %q in:\n%s", text, texts, s)
		}
		rest = rest[i+len(text):]
	}
}

func many(n int) *testenv.Inventory {
	k := testenv.NewInventory()
	for i := range n {
		c := lifted(i%250, fmt.Sprintf("printer-%04d", i), "TLS 1.0", "tls_version", time.Duration(i)*time.Minute)
		k.Add(c)
	}
	return k
}
