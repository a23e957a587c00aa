package record

import (
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every constant of type Reason has one row in the table, and nothing else has.
func TestReasonsAreClosed(t *testing.T) {
	t.Parallel()
	declared := declared(t, "reason.go", "Reason")
	if len(declared) < 40 {
		t.Fatalf("found only %d reasons in reason.go", len(declared))
	}
	all := Reasons()
	for _, name := range declared {
		if !slices.Contains(all, Reason(name)) {
			t.Errorf("%s has no row in the table of reasons", name)
		}
	}
	for i, r := range all {
		if !slices.Contains(declared, string(r)) {
			t.Errorf("the table of reasons has %s, which is not declared", r)
		}
		if slices.Contains(all[:i], r) {
			t.Errorf("%s has two rows", r)
		}
	}
}

// Every row is complete: an administrator finds what happened, where to look and
// what to do, and every client can be answered.
func TestReasonsAreComplete(t *testing.T) {
	t.Parallel()
	faults := []Fault{FaultNobody, FaultClient, FaultTLSLift, FaultDestination, FaultMailbox}
	for _, r := range Reasons() {
		for _, sentence := range []string{r.Cause(), r.Remedy()} {
			if !strings.HasSuffix(sentence, ".") || strings.Count(sentence, ". ") > 0 || strings.Contains(sentence, "  ") {
				t.Errorf("%s: %q is not one sentence", r, sentence)
			}
		}
		if o := r.Outcome(); o != OutcomeRefused && o != OutcomeFailed {
			t.Errorf("%s ends as %q", r, o)
		}
		if !slices.Contains(faults, r.Fault()) {
			t.Errorf("%s is the fault of %q", r, r.Fault())
		}
		if (r.Fault() == FaultNobody) == r.Failing() {
			t.Errorf("%s is the fault of %s, and failing is %t", r, r.Fault(), r.Failing())
		}
		if http.StatusText(r.HTTPStatus()) == "" || r.HTTPStatus() < 400 {
			t.Errorf("%s is answered with HTTP status %d", r, r.HTTPStatus())
		}
		status := strings.Fields(r.SMTPStatus())
		if len(status) != 2 || len(status[0]) != 3 || status[0][0] != status[1][0] || !strings.ContainsRune("45", rune(status[0][0])) {
			t.Errorf("%s is answered with SMTP status %q", r, r.SMTPStatus())
		}
	}
}

// A mail client that reads response codes learns whether to ask for another
// password, to try again, or to give up.
func TestResponseCodes(t *testing.T) {
	t.Parallel()
	for reason, want := range map[Reason][3]string{
		ReasonSigninPasswordWrong:   {"535 5.7.8", "AUTHENTICATIONFAILED", "AUTH"},
		ReasonSigninTriesLimited:    {"454 4.7.0", "UNAVAILABLE", "SYS/TEMP"},
		ReasonMailboxBusy:           {"421 4.4.5", "UNAVAILABLE", "IN-USE"},
		ReasonSenderNotAllowed:      {"550 5.7.60", "", "SYS/PERM"},
		ReasonUpstreamTimeout:       {"421 4.4.1", "UNAVAILABLE", "SYS/TEMP"},
		ReasonDestinationNotAllowed: {"554 5.7.1", "", "SYS/PERM"},
	} {
		if got := [3]string{reason.SMTPStatus(), reason.IMAPCode(), reason.POP3Code()}; got != want {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
}

// What is no reason is no failure.
func TestNoReason(t *testing.T) {
	t.Parallel()
	for _, r := range []Reason{"", "no such reason"} {
		if r.Failing() || r.Level() != slog.LevelInfo || r.Cause() != "" || r.Silent() {
			t.Errorf("%q: failing %t, level %s, cause %q", r, r.Failing(), r.Level(), r.Cause())
		}
	}
}

// A port check and our own stop are nobody's failure; the log, the page and the
// metrics all go by this.
func TestFailing(t *testing.T) {
	t.Parallel()
	for reason, want := range map[Reason]slog.Level{
		ReasonClosedBeforeHello: slog.LevelDebug,
		ReasonClosedBeforeTLS:   slog.LevelInfo,
		ReasonCutOff:            slog.LevelInfo,
		ReasonIdleTimeout:       slog.LevelWarn,
		ReasonSMTPAuthFailed:    slog.LevelWarn,
		ReasonInternal:          slog.LevelError,
	} {
		rec := Record{Reason: reason}
		if got := rec.Level(); got != want || rec.Failing() != (want >= slog.LevelWarn) {
			t.Errorf("%s: level %s, failing %t", reason, got, rec.Failing())
		}
	}
}

// Each rule that is declared is explained.
func TestRulesAreExplained(t *testing.T) {
	t.Parallel()
	names := declared(t, "rule.go", "Rule")
	if len(names) != len(Rules()) {
		t.Errorf("%d rules are declared, %d are in the table", len(names), len(Rules()))
	}
	for _, name := range names {
		if Rule(name).Meaning() == "" {
			t.Errorf("%s is not explained", name)
		}
	}
}

// A failure after relaying has begun does not change what was decided.
func TestFail(t *testing.T) {
	t.Parallel()
	for before, want := range map[Outcome]Outcome{
		"": OutcomeFailed, OutcomePassed: OutcomePassed, OutcomeLifted: OutcomeLifted,
	} {
		rec := Record{Outcome: before}
		rec.Fail(Fail(ReasonIdleTimeout, nil))
		if rec.Outcome != want || rec.Reason != ReasonIdleTimeout {
			t.Errorf("%q became %q with %q", before, rec.Outcome, rec.Reason)
		}
	}
}

// declared returns the values of a file's constants of one type.
func declared(t *testing.T, name, typ string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != typ {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, value)
		return true
	})
	return found
}
