package check

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"sync"
	"time"
)

const (
	// maxSkew is how far the clock may be wrong: certificates of a minute ago are refused,
	// and sign-in checks times, too.
	maxSkew = time.Minute
)

// clockTimes are the times that destinations have sent. It is safe for concurrent use.
type clockTimes struct {
	mu    sync.Mutex
	skew  *time.Duration // the smallest one; nil if there is none
	from  string
	valid int // certificates that were verified
}

// note notes the time that a destination has sent, in whole seconds, between two of ours.
func (c *clockTimes) note(from string, at, began, ended time.Time) {
	skew := at.Add(time.Second / 2).Sub(began.Add(ended.Sub(began) / 2))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.skew == nil || skew.Abs() < c.skew.Abs() {
		c.skew, c.from = &skew, from
	}
}

func (c *clockTimes) verified() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.valid++
}

// fromHTTP asks a web server.
func (c *clockTimes) fromHTTP(ctx context.Context, conn net.Conn, host string, now func() time.Time) {
	began := now()
	at, err := askHTTP(ctx, conn, host)
	if err == nil {
		c.note(host, at, began, now())
	}
}

// dated matches the time in the greeting of Exchange.
var dated = regexp.MustCompile(`[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}`)

// fromGreeting reads the greeting of a mail server, which may have just come.
func (c *clockTimes) fromGreeting(greeting string, now func() time.Time) {
	at, err := time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", dated.FindString(greeting))
	if err == nil {
		c.note("the greeting of the mail server", at, now(), now())
	}
}

// clock compares this machine's clock with those of the destinations.
func (c *outside) clock() Result {
	times := &c.times
	r := Result{Check: Clock, Status: OK}
	switch {
	case times.skew == nil && times.valid > 0:
		r.Says = "no destination has sent its time; the certificates are valid at that of this machine"
	case times.skew == nil:
		r.Status, r.Says = Skipped, "no destination has sent its time"
	case times.skew.Abs() > maxSkew:
		direction := "behind"
		if *times.skew < 0 {
			direction = "ahead of"
		}
		r.Status, r.Says = Failed, fmt.Sprintf("this machine's clock is %s %s %s",
			times.skew.Abs().Round(time.Second), direction, times.from)
		r.Remedy = "set the clock by NTP, as with timedatectl set-ntp true: a wrong one makes certificates and sign-in fail"
	default:
		r.Says = fmt.Sprintf("differs by %s from %s", times.skew.Abs().Round(time.Second), times.from)
	}
	return r
}
