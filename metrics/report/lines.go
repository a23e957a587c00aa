package report

import (
	"io"
	"time"

	"github.com/tlslift/tlslift/metrics/summary"
	"github.com/tlslift/tlslift/metrics/wording"
)

// A Line is a client in the printed report. All of its texts are safe to show.
type Line struct {
	Client, Model, Note string
	Address, Host       string
	State, Title        string // that of the API, and that of the page
	Offers              string
	Destination         string
	Silent              bool
	LastMail            wording.Moment
	LastSeen            wording.Moment
	// Reason is that of the last failure if no success has followed, Remedy what to do.
	Reason, Remedy string
}

// LineOf returns the line of a client.
func LineOf(c Client, now time.Time) Line {
	state := summary.StateOf(&c.Client, now)
	l := Line{
		Client: wording.Shown(c.Client.Client), Model: wording.Shown(c.About.Model), Note: wording.Sentence(c.About.Note),
		Address: wording.Address(c.Address), Host: wording.Shown(c.Host), State: state.Text(), Title: state.Title(),
		Offers: summary.Offers(&c.Client), Silent: c.Silent(now), LastMail: wording.At(c.LastAccepted, now),
		LastSeen: wording.At(c.LastSeen, now),
	}
	if len(c.Destinations) > 0 {
		l.Destination = wording.Shown(c.Destinations[0])
	}
	if c.Unsolved() {
		l.Reason, l.Remedy = wording.Shown(string(c.Failure.Reason)), wording.Sentence(c.Failure.Remedy)
	}
	return l
}

// WriteLines writes what the printed report has of clients. Times are those of this machine.
func WriteLines(w io.Writer, lines []Line) {
	write(w, []column[Line]{
		{"Client", func(l Line) string { return l.Client }},
		{"Model", func(l Line) string { return l.Model }},
		{"Note", func(l Line) string { return l.Note }},
		{"Address", func(l Line) string { return l.Address }},
		{"Host", func(l Line) string { return l.Host }},
		{"State", func(l Line) string { return l.Title }},
		{"Offers", func(l Line) string { return l.Offers }},
		{"Destination", func(l Line) string { return l.Destination }},
		{"Reason", func(l Line) string { return l.Reason }},
		{"What to do", func(l Line) string { return l.Remedy }},
		{"Last mail accepted", func(l Line) string { return l.LastMail.Short }},
		{"Silent", func(l Line) string { return map[bool]string{true: "yes"}[l.Silent] }},
		{"Last seen", func(l Line) string { return l.LastSeen.Short }},
	}, lines)
}
