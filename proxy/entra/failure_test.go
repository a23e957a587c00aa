package entra_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
)

// troubles are what can be wrong at Entra, and the reason for each.
var troubles = map[string]struct {
	trouble fakeentra.Trouble
	want    record.Reason
	text    string // in the error
}{
	"secret expired":     {fakeentra.Trouble{Code: 7000222}, record.ReasonAppSecretExpired, "AADSTS7000222 (invalid_client), trace ID 0f"},
	"secret wrong":       {fakeentra.Trouble{Code: 7000215}, record.ReasonAppCredentialRefused, "(invalid_client): the secret is wrong"},
	"certificate":        {fakeentra.Trouble{Code: 700027}, record.ReasonAppCredentialRefused, "not registered"},
	"application":        {fakeentra.Trouble{Code: 700016}, record.ReasonAppCredentialRefused, "no such application"},
	"tenant":             {fakeentra.Trouble{Code: 90002}, record.ReasonTenantUnknown, "AADSTS90002"},
	"tenant's form":      {fakeentra.Trouble{Code: 900023}, record.ReasonTenantUnknown, ""},
	"consent":            {fakeentra.Trouble{Code: 65001}, record.ReasonConsentMissing, ""},
	"no Exchange":        {fakeentra.Trouble{Code: 500011}, record.ReasonConsentMissing, "no Exchange Online"},
	"policy":             {fakeentra.Trouble{Code: 53003}, record.ReasonConditionalAccess, ""},
	"device":             {fakeentra.Trouble{Code: 53000}, record.ReasonConditionalAccess, ""},
	"second factor":      {fakeentra.Trouble{Code: 50076}, record.ReasonConditionalAccess, "multifactor"},
	"second factor, new": {fakeentra.Trouble{Code: 50079}, record.ReasonConditionalAccess, ""},
	"assertion's time":   {fakeentra.Trouble{Code: 700024}, record.ReasonClockSkew, ""},
	"expired":            {fakeentra.Trouble{Code: 70008}, record.ReasonDelegatedLoginMissing, ""},
	"inactive":           {fakeentra.Trouble{Code: 700082}, record.ReasonDelegatedLoginMissing, "90 days"},
	"revoked":            {fakeentra.Trouble{Code: 50173}, record.ReasonDelegatedLoginMissing, "revoked"},
	"unknown code":       {fakeentra.Trouble{Code: 123456}, record.ReasonEntraFailed, "AADSTS123456 (invalid_grant)"},
	"throttled":          {fakeentra.Trouble{Status: 429, RetryAfter: "7"}, record.ReasonEntraThrottled, "429"},
	"throttled, no time": {fakeentra.Trouble{Status: 429, RetryAfter: "soon"}, record.ReasonEntraThrottled, ""},
	"down":               {fakeentra.Trouble{Status: 503, Body: "<html>down</html>"}, record.ReasonEntraUnreachable, "503"},
	"gateway":            {fakeentra.Trouble{Status: 504}, record.ReasonEntraUnreachable, ""},
	"reset":              {fakeentra.Trouble{Reset: true}, record.ReasonEntraUnreachable, "unexpected EOF"},
	"garbage":            {fakeentra.Trouble{Status: 200, Body: "<html>sign in: " + secret}, record.ReasonEntraFailed, "not Entra's"},
	"empty":              {fakeentra.Trouble{Status: 200, Body: "{}"}, record.ReasonEntraFailed, ""},
	"filter":             {fakeentra.Trouble{Status: 403, Body: "<html>blocked " + secret}, record.ReasonEntraFailed, "403"},
	"echo":               {fakeentra.Trouble{Status: 400, Body: `{"error":"` + secret + `"}`}, record.ReasonEntraFailed, "400"},
	"echo in the text": {fakeentra.Trouble{Status: 400, Body: `{"error":"invalid_grant","error_description":"AADSTS99999: ` + secret +
		`","trace_id":"` + secret + `"}`}, record.ReasonEntraFailed, "AADSTS99999 (invalid_grant)"},
	"echo in an answer": {fakeentra.Trouble{Status: 200, Body: `{"error":"` + secret + `","expires_in":1}`}, record.ReasonEntraFailed, ""},
	"redirect":          {fakeentra.Trouble{Status: 307}, record.ReasonEntraFailed, "307"},
	"too large":         {fakeentra.Trouble{Status: 200, Body: strings.Repeat(" ", 2<<20)}, record.ReasonEntraFailed, "larger"},
	"slow":              {fakeentra.Trouble{Hold: make(chan struct{})}, record.ReasonEntraUnreachable, "in time"},
}

func TestEachTroubleHasItsReason(t *testing.T) {
	t.Parallel()
	for name, c := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if c.trouble.Hold != nil {
					c.trouble.Hold = make(chan struct{}) // of this bubble
				}
				w := newWorld(t)
				s := w.source(t, w.config(t))
				w.SetTrouble(c.trouble)
				began := time.Now()
				_, err := s.Token(t.Context(), smtp)
				wantReason(t, err, c.want)
				if err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), secret) {
					t.Errorf("the error is %q, want %q in it", err, c.text)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %s", took)
				}
				if len(w.requests) != 1 || w.requests[0] != c.want {
					t.Errorf("observed was %q", w.requests)
				}
				w.SetTrouble(fakeentra.Trouble{})
				time.Sleep(time.Minute)
				token(t, s, smtp)
			})
		})
	}
}

func TestUnknownTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config(t)
	c.Tenant = "fabrikam.onmicrosoft.com"
	_, err := w.source(t, c).Token(t.Context(), smtp)
	wantReason(t, err, record.ReasonTenantUnknown)
	wantRequests(t, w, 0)
}

// The clock is named where it explains a failure, and nowhere else.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble     fakeentra.Trouble
		certificate bool
		want        record.Reason // empty: there is a token
		text        string
	}{
		"assertion, behind":      {fakeentra.Trouble{Skew: time.Hour}, true, record.ReasonClockSkew, "clock is 1h0m0s behind"},
		"assertion, ahead":       {fakeentra.Trouble{Skew: -time.Hour}, true, record.ReasonClockSkew, "clock is 1h0m0s ahead"},
		"assertion, a little":    {fakeentra.Trouble{Skew: 4 * time.Minute}, true, "", ""},
		"secret":                 {fakeentra.Trouble{Skew: time.Hour}, false, "", ""},
		"unknown error":          {fakeentra.Trouble{Skew: time.Hour, Code: 99999}, false, record.ReasonClockSkew, "AADSTS99999"},
		"what is certain stays":  {fakeentra.Trouble{Skew: time.Hour, Code: 7000222}, false, record.ReasonAppSecretExpired, ""},
		"garbage has no meaning": {fakeentra.Trouble{Skew: time.Minute, Code: 99999}, false, record.ReasonEntraFailed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				conf := w.config(t)
				if c.certificate {
					leaf, file := certificate(t, w)
					w.Change(application, func(a *fakeentra.Application) { a.Certificate = leaf })
					conf.SecretFile, conf.CertificateFile = "", file
				}
				s := w.source(t, conf)
				w.SetTrouble(c.trouble)
				got, err := s.Token(t.Context(), smtp)
				if s.Skew() != c.trouble.Skew {
					t.Errorf("the skew is %s", s.Skew())
				}
				if c.want == "" {
					if left := time.Until(got.Expires); err != nil || left != time.Hour { // by our own clock
						t.Errorf("a token for %s, error %v", left, err)
					}
					return
				}
				wantReason(t, err, c.want)
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("the error is %q, want %q in it", err, c.text)
				}
			})
		})
	}
}

// A proxy or network that fails is told without the URL.
func TestNetworkFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config(t)
	c.HTTP = &http.Client{Transport: failing{}}
	_, err := w.source(t, c).Token(t.Context(), smtp)
	wantReason(t, err, record.ReasonEntraUnreachable)
	const want = "entra_unreachable: login.microsoftonline.com: upstream_proxy_failed: the proxy wants a password"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %q", err)
	}
}

type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, record.Fail(record.ReasonEgressProxyFailed, errText("the proxy wants a password"))
}

type errText string

func (e errText) Error() string { return string(e) }

var _ entra.Observer = (*world)(nil)
