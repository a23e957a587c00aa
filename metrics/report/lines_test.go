package report

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
)

// A line has the reason of a client's last failure, unless a success has followed; the file
// for programs has it in both cases. Both have whether a client is silent.
func TestReasonsAndSilence(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, solved := range []bool{false, true} {
		c := Client{Client: inventory.Client{Client: "copier", Failure: &inventory.Failure{
			Reason: record.ReasonSMTPAuthFailed, Remedy: record.ReasonSMTPAuthFailed.Remedy(), At: now.Add(-time.Hour),
		}}}
		c.Accepted, c.MailPause, c.FirstSeen, c.LastAccepted = 100, 3600, now.Add(-100*day), now.Add(-time.Hour)
		if solved {
			c.LastGood = now
			c.LastAccepted = now.Add(-10 * day)
		}
		line := LineOf(c, now)
		if (line.Reason == "") != solved || (line.Remedy == "") != solved || line.Silent != solved {
			t.Errorf("solved %t: got %+v", solved, line)
		}
		var b bytes.Buffer
		WriteClients(&b, []Client{c}, now)
		if !strings.HasSuffix(b.String(), "\r\n") {
			t.Error("lines do not end as those of a CSV file do")
		}
		table, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(table) != 2 {
			t.Fatal(table, err)
		}
		for column, want := range map[string]string{"reason": "smtp_auth_failed", "silent": strconv.FormatBool(solved)} {
			if got := table[1][slices.Index(table[0], column)]; got != want {
				t.Errorf("solved %t: %s is %q", solved, column, got)
			}
		}
	}
}
