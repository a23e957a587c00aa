// Package clientlist shows the clients that a running tlslift answers with: as a table, and
// as additions to a clients file.
//
// What a client has chosen is made safe for a terminal.
package clientlist

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// maxCell keeps one client from making the table wide for all.
	maxCell = 40
	// maxSentence is above all causes and remedies.
	maxSentence = 600
)

// Print writes a table of clients, and below it what to do about their problems.
func Print(w io.Writer, all []statuspage.Client, now time.Time) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no clients")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLIENT\tADDRESS\tSTATE\tOFFERS\tDESTINATION\tLAST SEEN\tLIFTED\tPASSED\tREFUSED\tFAILED\tPROBLEM")
	for i := range all {
		c := &all[i]
		destination, problem := "-", "-"
		if len(c.Destinations) > 0 {
			destination = c.Destinations[0]
		}
		if c.Unsolved() {
			problem = string(c.Failure.Reason)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n",
			netname.Text(c.Client.Client, maxCell), netname.Text(c.Address.String(), 2*maxCell), netname.Text(c.State, maxCell),
			netname.Text(cmp.Or(c.Offered, "-"), maxCell),
			netname.Text(destination, maxCell), ageOf(c.LastSeen, now),
			c.Outcomes[record.OutcomeLifted], c.Outcomes[record.OutcomePassed], c.Outcomes[record.OutcomeRefused],
			c.Outcomes[record.OutcomeFailed]+c.FailedInSession,
			netname.Text(problem, maxCell))
	}
	return errors.Join(table.Flush(), printRemedies(w, all))
}

// printRemedies writes, once for each reason, what to do about it.
func printRemedies(w io.Writer, all []statuspage.Client) error {
	var b strings.Builder
	printed := map[record.Reason]bool{}
	for i := range all {
		f := all[i].Failure
		if !all[i].Unsolved() || printed[f.Reason] {
			continue
		}
		printed[f.Reason] = true
		fmt.Fprintf(&b, "\n%s: %s\n  %s\n", netname.Text(string(f.Reason), maxCell),
			netname.Text(f.Cause, maxSentence), netname.Text(f.Remedy, maxSentence))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ageOf returns a short text: a table has little room.
func ageOf(t, now time.Time) string {
	const day = 24 * time.Hour
	switch age := now.Sub(t); {
	case t.IsZero():
		return "-"
	case age < time.Minute:
		return "now"
	case age < time.Hour:
		return fmt.Sprintf("%dm ago", age/time.Minute)
	case age < 2*day:
		return fmt.Sprintf("%dh ago", age/time.Hour)
	default:
		return fmt.Sprintf("%dd ago", age/day)
	}
}
