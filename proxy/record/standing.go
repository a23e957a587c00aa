package record

import "time"

// A Standing orders clients: where there is no room for all, those of a lower standing get
// fewer places and make room first. The standing of a client only rises.
type Standing int

// The standings, from the lowest on.
const (
	// StandingUntrusted: its address was never allowed to connect. Anyone can be such a
	// client.
	StandingUntrusted Standing = iota
	// StandingUnserved: allowed to connect, but never passed or lifted. It may be a
	// broken printer, or a scan from inside.
	StandingUnserved
	// StandingServed: has been passed or lifted.
	StandingServed
	// StandingRegular: served, and has come for at least RegularAfter. No connection
	// alone gives this standing.
	StandingRegular
	// StandingNamed: is in the clients file.
	StandingNamed
	// Standings is how many there are.
	Standings
)

// RegularAfter is how long a client has come that is no newcomer any more. A flood of
// addresses that is new takes the places of what is new.
const RegularAfter = 24 * time.Hour

// Standing returns the standing that a connection gives its client.
func (r *Record) Standing() Standing {
	return StandingOf(r.ClientName, r.Reason, r.Outcome == OutcomePassed || r.Outcome == OutcomeLifted)
}

// StandingOf returns the standing of a client: by its name in the clients file, by the
// reason of its last failure, and by whether it was ever served.
func StandingOf(name string, last Reason, served bool) Standing {
	switch {
	case name != "":
		return StandingNamed
	case served:
		return StandingServed
	case last == ReasonClientNotAllowed:
		return StandingUntrusted
	}
	return StandingUnserved
}
