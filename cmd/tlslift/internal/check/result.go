package check

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Status is what came of a check. The set is closed.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warning Status = "warning" // it works, and may not work for long or for all
	Failed  Status = "failed"
	Skipped Status = "skipped" // there is nothing to check, or something before it has failed
)

// A Name is what a check looks at. The set is closed.
type Name string

// The checks. Each has a row in the table below.
const (
	Configuration Name = "configuration"
	Running       Name = "running"
	Listener      Name = "listener"
	FirewallMark  Name = "firewall_mark"
	FirewallRules Name = "firewall_rules"
	Routing       Name = "routing"
	OpenFiles     Name = "open_files"
	Authority     Name = "ca"
	DeviceCA      Name = "device-ca"
	Endpoints     Name = "endpoints"
	DNS           Name = "dns"
	Egress        Name = "egress"
	TLS           Name = "tls"
	Certificate   Name = "certificate"
	Clock         Name = "clock"
	SignIn        Name = "sign_in"
)

// names are the checks in their order, with what they look at.
var names = []struct {
	name    Name
	meaning string
}{
	{Configuration, "the settings, and all files that they name"},
	{Running, "whether a tlslift runs here already, and is ready"},
	{Listener, "whether each address can be listened on"},
	{FirewallMark, "whether tlslift can mark its own connections"},
	{FirewallRules, "whether rules lead to the redirect:// or tproxy:// listener"},
	{Routing, "whether what the rules of tproxy:// mark is routed to this machine"},
	{OpenFiles, "the limit of open files, and how many connections fit into it"},
	{Authority, "tlslift's own CA: its files, dates, and what it may sign for"},
	{DeviceCA, "the CA of the certificates of devices, if there is one: its files and dates, and those that expire soon"},
	{Endpoints, "how old the list of Microsoft 365's hosts is"},
	{DNS, "whether the name of each destination in use is found"},
	{Egress, "whether each destination can be reached, also on port 25"},
	{TLS, "which TLS each destination speaks"},
	{Certificate, "whether its certificate is good, and from a public CA"},
	{Clock, "this machine's clock, beside those of the destinations"},
	{SignIn, "whether tlslift can sign in to the mailboxes"},
}

// A Result is what came of one check. The names are those of JSON, too, a public interface.
type Result struct {
	Check Name `json:"check"`
	// Subject is what of it was looked at, as a listener or a destination; empty if there is
	// only one.
	Subject string        `json:"subject,omitempty"`
	Status  Status        `json:"status"`
	Says    string        `json:"says"` // what was found, or what is wrong
	Reason  record.Reason `json:"reason,omitempty"`
	Remedy  string        `json:"remedy,omitempty"`
}

// A Report is what came of all checks.
type Report struct {
	Failed   int      `json:"failed"`
	Warnings int      `json:"warnings"`
	Skipped  int      `json:"skipped"`
	Checks   []Result `json:"checks"`
}

func (r *Report) add(one Result) {
	r.Checks = append(r.Checks, one)
	switch one.Status {
	case Failed:
		r.Failed++
	case Warning:
		r.Warnings++
	case Skipped:
		r.Skipped++
	}
}

// reaching begins the errors of outgoing connections; the subject of the result says the same.
var reaching = regexp.MustCompile(`^reaching \S+: (TLS handshake: )?`)

// parted returns what an error of ours says and the remedy in it, or else another one.
func parted(text, remedy string) (string, string) {
	says, own, has := strings.Cut(text, "; ")
	if !has || own == "" {
		return clean(text), remedy
	}
	return clean(says), clean(own)
}

// unchecked returns the result of a check that has not come to its end, by the error of its
// context.
func unchecked(of Name, subject string, err error) Result {
	says := "no time was left for it"
	if errors.Is(err, context.Canceled) {
		says = "interrupted"
	}
	return Result{Check: of, Subject: subject, Status: Failed, Says: says, Remedy: "let it end, and give it more time with --timeout"}
}

// failure returns the result of a check that has failed with an error, which may have a
// reason.
func failure(of Name, subject string, err error) Result {
	if errors.Is(err, context.Canceled) {
		return unchecked(of, subject, err)
	}
	r := Result{Check: of, Subject: subject, Status: Failed, Says: clean(err.Error())}
	if f := failureOf(err); f != nil {
		r.Reason, r.Remedy = f.Reason, f.Reason.Remedy()
		if f.Err != nil {
			r.Says = clean(reaching.ReplaceAllString(f.Err.Error(), ""))
		}
	}
	return r
}
