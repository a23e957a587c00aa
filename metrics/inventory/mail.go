package inventory

import (
	"math"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// leastSilence is a time without mail that means nothing: a long weekend.
	leastSilence = 4 * 24 * time.Hour
	// silentPauses is how often the longest pause has to pass without a mail.
	silentPauses = 3
	// leastMails and leastHistory are what a client has delivered at least of which a
	// rhythm can be told.
	leastMails   = 5
	leastHistory = 7 * 24 * time.Hour
	// pauseHalves is the time in which a pause counts half as much: holidays are forgotten.
	pauseHalves = 60 * 24 * time.Hour
	// maxPause is longer than any pause that means something.
	maxPause = 365 * 24 * time.Hour
)

// Seconds is a time in whole seconds.
type Seconds int64

// Duration returns it as such.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// addMail counts the mails that were accepted.
func addMail(c *Client, r *record.Record, end time.Time) {
	switch {
	case r.Accepted > 0:
		c.Accepted += uint64(r.Accepted)
		if pause := end.Sub(c.LastAccepted); !c.LastAccepted.IsZero() && pause > 0 {
			c.MailPause = Seconds(min(max(pause, faded(c.MailPause.Duration(), pause)), maxPause) / time.Second)
		}
		c.LastAccepted, c.SessionsWithoutMail = later(c.LastAccepted, end), 0
	case r.Outcome == record.OutcomeLifted && r.Protocol == record.ProtocolSMTP:
		c.SessionsWithoutMail++
	case r.Outcome == record.OutcomePassed && r.Protocol == record.ProtocolSMTP:
		c.MailPause = 0 // its mails cannot be counted any more
	}
}

// faded returns how long a pause still counts after a time.
func faded(pause, after time.Duration) time.Duration {
	return time.Duration(float64(pause) * math.Exp2(-float64(after)/float64(pauseHalves)))
}

// SilentAfter returns the time without a mail after which the client is silent.
func (c *Client) SilentAfter() time.Duration {
	return max(leastSilence, silentPauses*c.MailPause.Duration())
}

// Silent reports whether the client used to deliver mail, and has not for much longer than
// it is used to.
func (c *Client) Silent(now time.Time) bool {
	return c.MailPause > 0 && c.Accepted >= leastMails && c.LastAccepted.Sub(c.FirstSeen) >= leastHistory &&
		now.Sub(c.LastAccepted) > c.SilentAfter()
}
