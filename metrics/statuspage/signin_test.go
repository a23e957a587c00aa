package statuspage

import (
	"encoding/csv"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// The mailbox and the login of a client are on the page, on its own page, in the API and
// in the CSV file, and can be searched for.
func TestMailboxOfAClient(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	wantInOrder(t, page(t, h, "/?sort=name"), "scanner-warehouse", "smtp.<wbr>office365.<wbr>com:587",
		"<bdi>scan@contoso.com</bdi>, login <bdi>warehouse</bdi>")
	wantInOrder(t, page(t, h, "/clients/scanner-warehouse"), "Mailbox", "<bdi>scan@contoso.com</bdi>", "Login", "<bdi>warehouse</bdi>",
		"Last session that was signed in", "19 minutes ago")
	wantInOrder(t, page(t, h, "/clients/copier-accounting"), "Last connections", "scan@contoso.com", "copier1")
	wantInOrder(t, page(t, h, "/api/v1/clients?q=scan@contoso"), `"mailbox":"scan@contoso.com","login":"warehouse","last_sign_in":"`)
	wantInOrder(t, page(t, h, "/api/v1/clients?q=WAREHOUSE"), `"login":"warehouse"`)
	lines, err := csv.NewReader(strings.NewReader(page(t, h, "/api/v1/clients.csv?q=warehouse"))).ReadAll()
	if err != nil || len(lines) != 2 {
		t.Fatalf("%q, %v", lines, err)
	}
	for name, want := range map[string]string{"mailbox": "scan@contoso.com", "login": "warehouse"} {
		if at := slices.Index(lines[0], name); at < 0 || lines[1][at] != want {
			t.Errorf("%s is not %s in %q", name, want, lines)
		}
	}
}

// A client whose TLS would do and that is signed in for needs tlslift: it cannot be
// switched off. No text calls it old.
func TestSignInIsNeeded(t *testing.T) {
	t.Parallel()
	device := lifted(1, "device", "TLS 1.3", record.RuleSignIn, time.Hour)
	device.Mailbox, device.LastSignIn, device.LastCapable = "scan@contoso.com", device.LastSeen, device.LastSeen
	h := newSite(t, options(t, testenv.NewInventory(device)))
	wantInOrder(t, page(t, h, "/"), "Still need lifting", "<strong>1</strong>", "switch tlslift off", "Not now", "Needs lifting")
	wantInOrder(t, page(t, h, "/clients/device"), "needs tlslift to reach Microsoft 365", "sign_in", "Microsoft 365 takes no password of it")
	locked := device
	locked.Client, locked.Name = "locked", "locked"
	locked.LastLifted, locked.LastSignIn, locked.LastCapable = time.Time{}, time.Time{}, time.Time{}
	locked.Failure, locked.LastGood = failure(record.ReasonSigninPasswordWrong, locked.LastSeen, ""), time.Time{}
	locked.Outcomes = map[record.Outcome]uint64{record.OutcomeRefused: 1}
	body := page(t, newSite(t, options(t, testenv.NewInventory(locked))), "/")
	wantInOrder(t, body, "<strong>1</strong>", "No: 1 client that needs it tries and fails", "signin_password_wrong")
	if strings.Contains(body, "old client") {
		t.Error("a client with TLS 1.3 is called old")
	}
	gone := device
	gone.LastSeen, gone.LastSignIn, gone.LastLegacy, gone.LastLifted = time.Now().Add(-40*day), time.Now().Add(-40*day),
		time.Now().Add(-40*day), time.Now().Add(-40*day)
	wantInOrder(t, page(t, newSite(t, options(t, testenv.NewInventory(gone, inventory.Client{Client: "a", LastSeen: time.Now()}))), "/"),
		"<strong>0</strong>", "No client has needed it since ")
}

// The section says what is wrong with the sign-in and what to do, who waits, and what
// expires.
func TestSignInSection(t *testing.T) {
	t.Parallel()
	reason := record.ReasonDelegatedLoginMissing
	body := page(t, newSite(t, options(t, office())), "/")
	wantInOrder(t, body, `id="signin-title">Sign-in`,
		"No token for jane@contoso.com", `href="/reasons#delegated_login_missing"`, "3 minutes ago",
		html.EscapeString(reason.Cause()), html.EscapeString(reason.Remedy()), "AADSTS50173",
		"Tenant", "contoso.onmicrosoft.com", "secret", `class="warn">expires on`, "in 20 days", "replace it in Entra and in its file",
		"application: expires", "in 50 minutes",
		"scan@contoso.com", "3 of 3", "1 session, 2 mails", "12s", "fax@contoso.com", "0 of 3", "nobody")
	for _, form := range []string{"/api/v1/clients", "/api/v1/clients.csv"} {
		if strings.Contains(page(t, newSite(t, options(t, office())), form), "AADSTS") {
			t.Errorf("%s has what belongs to the tenant", form)
		}
	}
}

func TestSignInSectionInOtherCases(t *testing.T) {
	t.Parallel()
	section := func(state tenant.State) string {
		o := options(t, office())
		o.SignIn = func() tenant.State { return state }
		body := page(t, newSite(t, o), "/")
		_, rest, _ := strings.Cut(body, `id="signin-title"`)
		text, _, _ := strings.Cut(rest, "</section>")
		return text
	}
	if got := section(tenant.State{}); got != "" {
		t.Errorf("without a sign-in there is %s", got)
	}
	secret := tenant.State{Tenant: "contoso.com", Credential: tenant.Credential{Kind: "secret"}}
	wantInOrder(t, section(secret), "secret", "is not known: write the day into the sign-in file", "none in use")
	far := tenant.State{Tenant: "contoso.com", Credential: tenant.Credential{Kind: "certificate", Expires: time.Now().Add(31 * day)}}
	if got := section(far); strings.Contains(got, "warn") || !strings.Contains(got, "in 30 days") {
		t.Errorf("a certificate that serves on is %s", got)
	}
	past := tenant.State{Tenant: "contoso.com", Credential: tenant.Credential{Kind: "certificate", Expires: time.Now().Add(-day)}}
	wantInOrder(t, section(past), "warn", "24 hours ago", "replace it in Entra")
	wantInOrder(t, section(tenant.State{Tenant: "contoso.com", Credential: tenant.Credential{Kind: "managed_identity"}}),
		"managed identity", "renewed outside of tlslift")
	if got := section(tenant.State{Tenant: "contoso.com"}); strings.Contains(got, "Application's") {
		t.Errorf("an application without a credential has %s", got)
	}
	many := tenant.State{Tenant: "contoso.com", Mailboxes: make([]tenant.Mailbox, 25)}
	many.Mailboxes[24] = tenant.Mailbox{Address: "busy@contoso.com", Waiting: 1}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		many.Tokens = append(many.Tokens, tenant.Token{Account: name, Reason: record.ReasonEntraFailed, Detail: "<b>\x1b[31m"})
	}
	many.Tokens = append(many.Tokens, tenant.Token{HVE: true, Reason: record.ReasonClockSkew})
	got := section(many)
	wantInOrder(t, got, "application for High Volume Email", "a, b, c and 2 more", "&lt;b&gt;", "busy@contoso.com", "and 5 more, less busy")
	if strings.Contains(got, "\x1b") || strings.Count(got, "<tr>") != 1+maxMailboxes {
		t.Errorf("got %s", got)
	}
}
