package entra

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"

	"github.com/tlslift/tlslift/proxy/record"
)

// Whatever Entra answers, it has a reason, and its own words do not show.
func FuzzRefusal(f *testing.F) {
	f.Add(400, `{"error":"invalid_grant","error_description":"AADSTS65001: needle","error_codes":[65001],"trace_id":"needle"}`)
	f.Add(401, `{"error":"needle","error_codes":[-1,0]}`)
	f.Add(200, "needle")
	f.Add(429, "{")
	f.Fuzz(func(t *testing.T, status int, content string) {
		const needle = "needle"
		answer := msal.CallErr{
			Resp: &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {content}}},
			Err:  errText("call(needle):\n" + content),
		}
		got, wait := requestKind{of: "Entra"}.failure(answer)
		if got.Reason.Cause() == "" || wait < 0 || wait > maxWait {
			t.Errorf("%q, wait %s", got.Reason, wait)
		}
		r, _ := parseRefusal(content)
		if strings.Contains(got.Error(), needle) && !strings.Contains(r.Name, needle) {
			t.Errorf("%q shows what was answered", got)
		}
	})
}

type errText string

func (e errText) Error() string { return string(e) }

func FuzzRoles(f *testing.F) {
	f.Add("a." + base64.RawURLEncoding.EncodeToString([]byte(`{"roles":["SMTP.SendAsApp"],"scp":"a b"}`)) + ".c")
	f.Add("a.b.c")
	f.Add("opaque")
	f.Fuzz(func(t *testing.T, token string) {
		got := Token{Value: token, Roles: rolesOf(token)}
		if got.Roles == nil && got.lacks("SMTP.SendAsApp") {
			t.Error("a token that cannot be read lacks something")
		}
	})
}

// Only what was sealed opens, and for its own account.
func FuzzStoredLogin(f *testing.F) {
	key := bytes.Repeat([]byte{7}, keyBytes)
	sealed, err := seal(key, "a@contoso.example", login{Application: "x", Cache: []byte("{}")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:len(loginMagic)+3])
	f.Add([]byte(loginMagic))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := open(key, "A@contoso.example", content)
		if err == nil && got.Application != "x" {
			t.Errorf("%q opens as %+v, error %v", content, got, err)
		}
		if _, err := open(key, "b@contoso.example", content); err == nil {
			t.Error("it opens for another account")
		}
	})
}

// Names of accounts become names of files in the directory, and different ones stay
// different.
func FuzzStorePath(f *testing.F) {
	f.Add("../../etc/passwd", "a@b")
	f.Add("A@b", "a%40b")
	f.Fuzz(func(t *testing.T, one, other string) {
		s := &store{dir: "dir"}
		for _, account := range []string{one, other} {
			name, is := strings.CutPrefix(s.path(account), "dir")
			if !is || strings.ContainsAny(name[1:], "/\\:\x00") || !strings.HasPrefix(name[1:], "signin-") {
				t.Errorf("%q is stored in %q", account, s.path(account))
			}
		}
		lower, otherLower := strings.ToLower(one), strings.ToLower(other) // which is not EqualFold
		if s.path(one) == s.path(other) && lower != otherLower {
			t.Errorf("%q and %q share a file", one, other)
		}
	})
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	const people = "https://outlook.office.com/"
	for id, want := range map[Identity]struct{ permission, scopes string }{
		{Protocol: record.ProtocolSMTP}:                             {"SMTP.SendAsApp", "https://outlook.office365.com/.default"},
		{Protocol: record.ProtocolIMAP}:                             {"IMAP.AccessAsApp", "https://outlook.office365.com/.default"},
		{Protocol: record.ProtocolPOP3}:                             {"POP.AccessAsApp", "https://outlook.office365.com/.default"},
		{Protocol: record.ProtocolSMTP, HVE: true}:                  {"Mail.Send", "https://outlook.office.com/.default"},
		{Protocol: record.ProtocolSMTP, Delegated: true}:            {"SMTP.Send", "https://outlook.office.com/SMTP.Send"},
		{Protocol: record.ProtocolIMAP, Delegated: true}:            {"IMAP.AccessAsUser.All", people + "IMAP.AccessAsUser.All"},
		{Protocol: record.ProtocolPOP3, Delegated: true}:            {"POP.AccessAsUser.All", people + "POP.AccessAsUser.All"},
		{Protocol: record.ProtocolSMTP, Delegated: true, HVE: true}: {"Mail.Send", "https://outlook.office.com/.default"},
		{Delegated: true}: {"", "https://outlook.office.com/SMTP.Send https://outlook.office.com/IMAP.AccessAsUser.All " +
			"https://outlook.office.com/POP.AccessAsUser.All"},
	} {
		if got := id.permission(); got != want.permission {
			t.Errorf("%+v: %s, want %s", id, got, want.permission)
		}
		if got := strings.Join(id.scopes(clouds["global"]), " "); got != want.scopes {
			t.Errorf("%+v: %s, want %s", id, got, want.scopes)
		}
	}
	government := Identity{Delegated: true, Protocol: record.ProtocolSMTP}.scopes(clouds["usgov"])
	if government[0] != "https://outlook.office365.us/SMTP.Send" {
		t.Errorf("in another cloud: %s", government)
	}
}

// The endpoint of a managed identity is on this machine: a proxy must never see it.
func TestMetadataIsReachedDirectly(t *testing.T) {
	t.Parallel()
	if transport, is := metadataTransport().(*http.Transport); !is || transport.Proxy != nil {
		t.Error("it may go through a proxy")
	}
}
