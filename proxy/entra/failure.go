package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// maxSkew is how far the clocks may differ; Entra itself allows five minutes.
	maxSkew = 5 * time.Minute
	// maxDetail is how many bytes of another package's error are shown.
	maxDetail = 300
	// maxWait bounds what an answer can make us wait.
	maxWait = time.Hour
	// throttledFor is how long we wait after a 429 that does not say.
	throttledFor = 30 * time.Second
)

// A meaning is what an AADSTS code means to an administrator.
type meaning struct {
	reason record.Reason
	hint   string // more than the remedy of the reason says; empty if there is no more
}

// meanings are the codes whose meaning is known.
var meanings = map[int]meaning{
	7000222: {record.ReasonAppSecretExpired, ""},
	7000215: {record.ReasonAppCredentialRefused, "the secret is wrong"},
	700027:  {record.ReasonAppCredentialRefused, "the certificate is not registered on the application, or has expired"},
	700016:  {record.ReasonAppCredentialRefused, "the tenant has no such application"},
	7000216: {record.ReasonAppCredentialRefused, "the application has no credential"},
	7000218: {record.ReasonAppCredentialRefused, "set Allow public client flows to Yes under Authentication of the application"},
	7000112: {record.ReasonAppCredentialRefused, "the application is disabled in the tenant"},
	70021:   {record.ReasonAppCredentialRefused, "no federated credential of the application matches the token"},
	700211:  {record.ReasonAppCredentialRefused, "no federated credential of the application has this issuer"},
	700212:  {record.ReasonAppCredentialRefused, "no federated credential of the application has this audience"},
	700213:  {record.ReasonAppCredentialRefused, "no federated credential of the application has this subject"},
	700024:  {record.ReasonClockSkew, ""},
	90002:   {record.ReasonTenantUnknown, ""},
	900023:  {record.ReasonTenantUnknown, ""},
	900021:  {record.ReasonTenantUnknown, ""},
	50059:   {record.ReasonTenantUnknown, ""},
	65001:   {record.ReasonConsentMissing, ""},
	65004:   {record.ReasonConsentMissing, "the person declined it"},
	90094:   {record.ReasonConsentMissing, "an administrator has to give it"},
	90008:   {record.ReasonConsentMissing, ""},
	650052:  {record.ReasonConsentMissing, "the tenant has no Exchange Online"},
	650057:  {record.ReasonConsentMissing, "the application does not list the permission"},
	500011:  {record.ReasonConsentMissing, "the tenant has no Exchange Online"},
	7000229: {record.ReasonConsentMissing, "the application has no enterprise application in the tenant"},
	50005:   {record.ReasonConditionalAccess, ""},
	50072:   {record.ReasonConditionalAccess, "multifactor authentication has to be set up"},
	50074:   {record.ReasonConditionalAccess, "multifactor authentication is required"},
	50076:   {record.ReasonConditionalAccess, "multifactor authentication is required"},
	50079:   {record.ReasonConditionalAccess, "multifactor authentication has to be set up"},
	50097:   {record.ReasonConditionalAccess, ""},
	50131:   {record.ReasonConditionalAccess, ""},
	50158:   {record.ReasonConditionalAccess, ""},
	53000:   {record.ReasonConditionalAccess, "a device that complies is required"},
	53001:   {record.ReasonConditionalAccess, "a device of the domain is required"},
	53002:   {record.ReasonConditionalAccess, ""},
	53003:   {record.ReasonConditionalAccess, ""},
	53004:   {record.ReasonConditionalAccess, ""},
	530003:  {record.ReasonConditionalAccess, ""},
	530032:  {record.ReasonConditionalAccess, ""},
	530034:  {record.ReasonConditionalAccess, ""},
	530035:  {record.ReasonConditionalAccess, "security defaults block it"},
	70000:   {record.ReasonDelegatedLoginMissing, ""},
	70008:   {record.ReasonDelegatedLoginMissing, ""},
	70043:   {record.ReasonDelegatedLoginMissing, "a Conditional Access policy limits how long it lasts"},
	700082:  {record.ReasonDelegatedLoginMissing, "it was not used for 90 days"},
	700084:  {record.ReasonDelegatedLoginMissing, ""},
	50173:   {record.ReasonDelegatedLoginMissing, "it was revoked, or the password has changed"},
	50034:   {record.ReasonDelegatedLoginMissing, "the tenant has no such account"},
	50055:   {record.ReasonDelegatedLoginMissing, "the password of the account has expired"},
	50057:   {record.ReasonDelegatedLoginMissing, "the account is disabled"},
	50133:   {record.ReasonDelegatedLoginMissing, "the password has changed"},
	70017:   {record.ReasonDelegatedLoginMissing, "the person declined"},
	70018:   {record.ReasonDelegatedLoginMissing, "the code was wrong"},
	70019:   {record.ReasonDelegatedLoginMissing, "the code has expired"},
	70020:   {record.ReasonDelegatedLoginMissing, "the code has expired"},
	90033:   {record.ReasonEntraUnreachable, ""},
	90036:   {record.ReasonEntraUnreachable, ""},
	90055:   {record.ReasonEntraThrottled, ""},
	50196:   {record.ReasonEntraThrottled, "the same request came too often"},
}

// byName is what the names of OAuth errors mean, for codes that are not known.
var byName = map[string]record.Reason{
	"invalid_client": record.ReasonAppCredentialRefused, "unauthorized_client": record.ReasonAppCredentialRefused,
	"invalid_tenant": record.ReasonTenantUnknown, "consent_required": record.ReasonConsentMissing,
	"access_denied": record.ReasonConditionalAccess, "interaction_required": record.ReasonConditionalAccess,
	"temporarily_unavailable": record.ReasonEntraUnreachable, "authorization_declined": record.ReasonDelegatedLoginMissing,
	"expired_token": record.ReasonDelegatedLoginMissing, "bad_verification_code": record.ReasonDelegatedLoginMissing,
}

// A refusal is Entra's own error (RFC 6749, section 5.2, with Microsoft's codes).
// Of its text nothing is shown but the codes: what somebody else writes can have
// anything in it.
type refusal struct {
	Name        string `json:"error"`
	Description string `json:"error_description"`
	Codes       []int  `json:"error_codes"`
	Trace       string `json:"trace_id"`
}

var (
	codePattern  = regexp.MustCompile(`^AADSTS([0-9]{4,9})\b`)
	namePattern  = regexp.MustCompile(`^[a-z_]{1,40}$`)
	tracePattern = regexp.MustCompile(`^[0-9a-fA-F-]{36}$`)
)

// parseRefusal reads the content of an answer; false if it is not Entra's.
func parseRefusal(content string) (refusal, bool) {
	var r refusal
	if json.Unmarshal([]byte(content), &r) != nil || !namePattern.MatchString(r.Name) {
		return refusal{}, false
	}
	if found := codePattern.FindStringSubmatch(r.Description); found != nil && len(r.Codes) == 0 {
		code, _ := strconv.Atoi(found[1]) // nine digits at most
		r.Codes = []int{code}
	}
	if !tracePattern.MatchString(r.Trace) {
		r.Trace = ""
	}
	return r, true
}

// failure returns what a refusal means. delegated says that it is about a person.
func (r refusal) failure(delegated bool) *record.Failure {
	what := r.Name
	var known meaning
	if len(r.Codes) > 0 {
		known = meanings[r.Codes[0]]
		what = fmt.Sprintf("AADSTS%d (%s)", r.Codes[0], r.Name)
	}
	switch named := byName[r.Name]; {
	case known.reason != "":
	case named != "":
		known.reason = named
	case delegated && r.Name == "invalid_grant":
		known.reason = record.ReasonDelegatedLoginMissing
	default:
		known.reason = record.ReasonEntraFailed
	}
	if known.hint != "" {
		what += ": " + known.hint
	}
	if r.Trace != "" {
		what += ", trace ID " + r.Trace
	}
	return record.Fail(known.reason, errors.New(what))
}

// A requestKind is what the classification of an error needs to know of its request.
type requestKind struct {
	of        string // who was asked, for the text
	delegated bool
	federated bool
	managed   bool
	skew      time.Duration
}

// failure returns why a request failed, and how long the next one has to wait at
// least.
func (a requestKind) failure(err error) (*record.Failure, time.Duration) {
	if own := (*record.Failure)(nil); errors.As(err, &own) && !isNetwork(err) {
		return own, 0
	}
	if answered := (msal.CallErr{}); errors.As(err, &answered) {
		f := a.answered(answered)
		return a.withClock(f), waitOf(f.Reason, answered.Resp.Header)
	}
	switch {
	case errors.As(err, &msal.InvalidJsonErr{}):
		return record.Fail(record.ReasonEntraFailed, fmt.Errorf("%s gave an answer that is not Entra's", a.of)), 0
	case errors.Is(err, errAnswerTooLarge):
		return record.Fail(record.ReasonEntraFailed, fmt.Errorf("%s: %w", a.of, errAnswerTooLarge)), 0
	case errors.Is(err, context.DeadlineExceeded):
		return record.Fail(record.ReasonEntraUnreachable, fmt.Errorf("%s gave no answer in time", a.of)), 0
	case isNetwork(err):
		return record.Fail(record.ReasonEntraUnreachable, fmt.Errorf("%s: %s", a.of, networkText(err))), 0
	case strings.HasPrefix(err.Error(), "unable to resolve an endpoint"),
		strings.HasPrefix(err.Error(), "token response failed because declined"):
		return record.Fail(record.ReasonEntraFailed, errors.New(netname.Text(err.Error(), maxDetail))), 0 // names of hosts and scopes
	}
	return record.Fail(record.ReasonEntraFailed, fmt.Errorf("%s gave an answer without what it should have (%T)", a.of, err)), 0
}

// answered returns what an answer with an error status means.
func (a requestKind) answered(e msal.CallErr) *record.Failure {
	status := e.Resp.StatusCode
	text := fmt.Errorf("%s answered with status %d", a.of, status)
	// The library has read the body, and sometimes a second time; its error ends with it.
	_, content, _ := strings.Cut(e.Err.Error(), "\n")
	r, isRefusal := parseRefusal(content)
	switch {
	case status == http.StatusTooManyRequests:
		return record.Fail(record.ReasonEntraThrottled, text)
	case status >= http.StatusInternalServerError:
		return record.Fail(record.ReasonEntraUnreachable, text)
	case a.managed && isRefusal:
		return record.Fail(record.ReasonAppCredentialRefused, fmt.Errorf("%w (%s): this machine has no such managed identity", text, r.Name))
	case isRefusal:
		return r.failure(a.delegated)
	}
	return record.Fail(record.ReasonEntraFailed, fmt.Errorf("%w, and not as Entra does", text))
}

// withClock names the clock where it explains the failure.
func (a requestKind) withClock(f *record.Failure) *record.Failure {
	isOff := a.skew.Abs() > maxSkew
	isOpen := f.Reason == record.ReasonAppCredentialRefused || f.Reason == record.ReasonEntraFailed || f.Reason == record.ReasonClockSkew
	switch {
	case f.Reason == record.ReasonClockSkew && a.federated && !isOff:
		return record.Fail(record.ReasonAppCredentialRefused, fmt.Errorf("%w: the federated token has expired", f.Err))
	case isOff && isOpen:
		direction := "behind"
		if a.skew < 0 {
			direction = "ahead"
		}
		return record.Fail(record.ReasonClockSkew,
			fmt.Errorf("%w: this machine's clock is %s %s", f.Err, a.skew.Abs().Round(time.Second), direction))
	}
	return f
}

// waitOf returns how long an answer wants us to wait: its Retry-After (RFC 9110,
// section 10.2.3), within bounds.
func waitOf(r record.Reason, h http.Header) time.Duration {
	if r != record.ReasonEntraThrottled && r != record.ReasonEntraUnreachable {
		return 0
	}
	value := h.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		// By Entra's own clock, which may not be ours.
		from, err := http.ParseTime(h.Get("Date"))
		if err != nil {
			from = time.Now()
		}
		wait = at.Sub(from)
	} else if r == record.ReasonEntraThrottled {
		wait = throttledFor
	}
	return min(max(wait, 0), maxWait)
}

// isNetwork reports whether a request got no answer.
func isNetwork(err error) bool {
	var failed *url.Error
	return errors.As(err, &failed)
}

// networkText returns why a request got no answer, without its URL.
func networkText(err error) string {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return netname.Text(err.Error(), maxDetail)
}
