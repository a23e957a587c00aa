package statuspage

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// The mailbox and the login of a client are on the page, on its own page, in the API and
// in the CSV file, and can be searched for.
func TestMailboxOfAClient(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	wantInOrder(t, page(t, h, "/?sort=name"), "scanner-warehouse", "smtp.office365.com:587", "<bdi>scan@contoso.com</bdi>, login <bdi>warehouse</bdi>")
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
	locked.Client, locked.Name, locked.LastLifted, locked.LastSignIn, locked.LastCapable = "locked", "locked", time.Time{}, time.Time{}, time.Time{}
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
