package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/record"
)

// watchWait is how long one question may wait for a connection.
const watchWait = 25 * time.Second

func (p *program) watchCommand() *cobra.Command {
	var client string
	var before int
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow the connections of a running tlslift",
		Long: `Prints a line for each connection when it ends, until Ctrl-C; below a connection
that had a problem, also the cause and the remedy. It asks the tlslift that
listens on TLSLIFT_ADMIN_LISTEN and reads the same settings as serve. NO_COLOR in
the environment turns colours off.`,
		Example: `  tlslift watch
  tlslift watch --client scanner-2nd-floor`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			w := &watch{
				admin: adminclient.New(cfg), client: client, before: before, pause: adminclient.Pause,
				out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), colours: isTerminal(p.stdout) && p.environ["NO_COLOR"] == "",
			}
			return failed(w.run(ctx))
		},
	}
	cmd.Flags().StringVar(&client, "client", "", "print only connections of the client with this `NAME` or address")
	cmd.Flags().IntVar(&before, "last", 10, "begin with the last `N` connections, up to 1000")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("client", completeClient(p))
	return cmd
}

// A watch follows connections.
type watch struct {
	admin      *adminclient.Client
	client     string
	before     int // connections to begin with
	pause      func(context.Context, time.Duration) bool
	out, notes io.Writer
	colours    bool
}

// run returns nil when ctx is done. A tlslift that does not answer at the first
// question is an error; later it is waited for, since it may be restarting. One that is
// busy is waited for at any time.
func (w *watch) run(ctx context.Context) error {
	var seen statuspage.Connections
	var backoff adminclient.Backoff
	told := false
	for ctx.Err() == nil {
		asked := time.Now()
		now, err := w.next(ctx, seen)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && (len(now.Connections) > 0 || seen.Started == "" || time.Since(asked) > watchWait/2):
			seen, told = now, false
			backoff.Reset()
			continue
		case err == nil: // it has nothing, and yet does not let the question wait
			seen = now
		case !isTemporary(err, seen.Started != ""):
			return err
		case !told:
			told = true
			fmt.Fprintln(w.notes, waitingText(err))
		}
		w.pause(ctx, backoff.Next(err))
	}
	return nil
}

// isTemporary reports whether another question may be answered after one that was not.
func isTemporary(err error, answeredBefore bool) bool {
	return errors.As(err, new(adminclient.BusyError)) || answeredBefore && errors.As(err, new(adminclient.UnreachableError))
}

func waitingText(err error) string {
	if errors.As(err, new(adminclient.BusyError)) {
		return oneLine(err.Error(), maxSentence) + "; waiting"
	}
	return "tlslift does not answer; waiting for it"
}

// next asks for the connections after seen, and prints them. On an error, seen stays as
// it is. The zero value asks for the last connections.
func (w *watch) next(ctx context.Context, seen statuspage.Connections) (statuspage.Connections, error) {
	q := adminclient.Question{Path: "/api/v1/connections", Query: url.Values{"client": {w.client}}, Wait: watchWait}
	if seen.Started == "" {
		q.Query.Set("limit", strconv.Itoa(w.before))
	} else {
		q.Query.Set("after", strconv.FormatUint(seen.Last, 10))
		q.Query.Set("started", seen.Started)
		q.Query.Set("wait", watchWait.String())
	}
	var answer statuspage.Connections
	if err := w.admin.AskJSON(ctx, q, &answer); err != nil {
		return seen, err
	}
	for i := range answer.Connections {
		if _, err := io.WriteString(w.out, w.text(&answer.Connections[i])); err != nil {
			return seen, fmt.Errorf("printing a connection: %w", err)
		}
	}
	return answer, nil
}

// text returns the lines that are printed of a connection.
func (w *watch) text(c *inventory.Connection) string {
	var b strings.Builder
	clean := func(s string) string { return oneLine(s, maxCell) }
	fmt.Fprintf(&b, "%s  %s  %-20s  %s", c.Start.Local().Format("15:04:05"), w.coloured(c.Outcome), clean(c.Client),
		clean(cmp.Or(c.Destination, c.ServerName, c.Original, "-")))
	for _, part := range []string{agreed(c), string(c.Rule), c.SMTPReply} {
		if part != "" {
			b.WriteString("  " + oneLine(part, 2*maxCell))
		}
	}
	fmt.Fprintf(&b, "  %s\n", c.Duration().Round(time.Millisecond))
	if c.Reason != "" {
		fmt.Fprintf(&b, "          %s: %s\n          %s\n", clean(string(c.Reason)),
			oneLine(c.Cause, maxSentence), oneLine(c.Remedy, maxSentence))
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

// versionPart returns the version of a version and cipher suite, as in "TLS 1.2
// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".
func versionPart(s string) string {
	words := strings.Fields(s)
	return strings.Join(words[:min(2, len(words))], " ")
}

// coloured returns an outcome, padded and on a terminal coloured.
func (w *watch) coloured(o record.Outcome) string {
	text := fmt.Sprintf("%-7s", oneLine(string(o), maxCell))
	if !w.colours {
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
