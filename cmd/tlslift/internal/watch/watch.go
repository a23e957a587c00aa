// Package watch prints the connections of a running tlslift as they end.
package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// questionWait is how long one question may wait for a connection.
	questionWait = 25 * time.Second
	// maxCell keeps one client from making a line wide.
	maxCell = 40
	// maxSentence is above all causes and remedies.
	maxSentence = 600
)

// A Watch follows connections.
type Watch struct {
	Admin  *adminclient.Client
	Client string // the name or address of the only client; empty means all
	Before int    // connections to begin with
	// Pause waits, and reports whether to go on.
	Pause      func(context.Context, time.Duration) bool
	Out, Notes io.Writer // for connections, and for all else
	Colours    bool
}

// Run prints connections, and returns nil when ctx is done. A tlslift that does not answer at the first
// question is an error; later it is waited for, since it may be restarting. One that is
// busy is waited for at any time.
func (w *Watch) Run(ctx context.Context) error {
	var seen statuspage.Connections
	var backoff adminclient.Backoff
	told := false
	for ctx.Err() == nil {
		asked := time.Now()
		now, err := w.next(ctx, seen)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && (len(now.Connections) > 0 || seen.Started == "" || time.Since(asked) > questionWait/2):
			seen, told = now, false
			backoff.Reset()
			continue
		case err == nil: // it has nothing, and yet does not let the question wait
			seen = now
		case !isTemporary(err, seen.Started != ""):
			return err
		case !told:
			told = true
			fmt.Fprintln(w.Notes, waitingText(err))
		}
		w.Pause(ctx, backoff.Next(err))
	}
	return nil
}

// isTemporary reports whether another question may be answered after one that was not.
func isTemporary(err error, answeredBefore bool) bool {
	return errors.As(err, new(adminclient.BusyError)) || answeredBefore && errors.As(err, new(adminclient.UnreachableError))
}

func waitingText(err error) string {
	if errors.As(err, new(adminclient.BusyError)) {
		return netname.Text(err.Error(), maxSentence) + "; waiting"
	}
	return "tlslift does not answer; waiting for it"
}

// next asks for the connections after seen, and prints them. On an error, seen stays as
// it is. The zero value asks for the last connections.
func (w *Watch) next(ctx context.Context, seen statuspage.Connections) (statuspage.Connections, error) {
	q := adminclient.Question{Path: "/api/v1/connections", Query: url.Values{"client": {w.Client}}, Wait: questionWait}
	if seen.Started == "" {
		q.Query.Set("limit", strconv.Itoa(w.Before))
	} else {
		q.Query.Set("after", strconv.FormatUint(seen.Last, 10))
		q.Query.Set("started", seen.Started)
		q.Query.Set("wait", questionWait.String())
	}
	var answer statuspage.Connections
	if err := w.Admin.AskJSON(ctx, q, &answer); err != nil {
		return seen, err
	}
	for i := range answer.Connections {
		if _, err := io.WriteString(w.Out, w.text(&answer.Connections[i])); err != nil {
			return seen, fmt.Errorf("printing a connection: %w", err)
		}
	}
	return answer, nil
}

// text returns the lines that are printed of a connection.
func (w *Watch) text(c *inventory.Connection) string {
	var b strings.Builder
	clean := func(s string) string { return netname.Text(s, maxCell) }
	fmt.Fprintf(&b, "%s  %s  %-20s  %s", c.Start.Local().Format("15:04:05"), w.coloured(c.Outcome), clean(c.Client),
		clean(cmp.Or(c.Destination, c.ServerName, c.Original, "-")))
	for _, part := range []string{agreed(c), string(c.Rule), c.SMTPReply} {
		if part != "" {
			b.WriteString("  " + netname.Text(part, 2*maxCell))
		}
	}
	fmt.Fprintf(&b, "  %s\n", c.Duration().Round(time.Millisecond))
	if c.Reason != "" {
		fmt.Fprintf(&b, "          %s: %s\n          %s\n", clean(string(c.Reason)),
			netname.Text(c.Cause, maxSentence), netname.Text(c.Remedy, maxSentence))
	}
	return b.String()
}

// agreed returns which TLS was used, or else offered.
func agreed(c *inventory.Connection) string {
	switch {
	case c.ClientTLS != "" && c.UpstreamTLS != "":
		return versionPart(c.ClientTLS) + " -> " + versionPart(c.UpstreamTLS)
	case c.Offered == "none":
		return ""
	}
	return c.Offered
}

// versionPart returns the version of a version and cipher suite, for example "TLS 1.2
// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".
func versionPart(s string) string {
	words := strings.Fields(s)
	return strings.Join(words[:min(2, len(words))], " ")
}

// coloured returns an outcome, padded and on a terminal coloured.
func (w *Watch) coloured(o record.Outcome) string {
	text := fmt.Sprintf("%-7s", netname.Text(string(o), maxCell))
	if !w.Colours {
		return text
	}
	colour := "31" // red
	switch o {
	case record.OutcomePassed:
		colour = "32" // green
	case record.OutcomeLifted:
		colour = "33" // yellow
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
