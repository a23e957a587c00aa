package inventory

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// Bounds of the lists of a client.
const (
	maxProtocols    = 8
	maxDestinations = 20
	maxListeners    = 8
)

const (
	none    = "none" // of Record.OfferedVersion
	unknown = "unknown"
)

// connectionOf is what is kept of a record.
func connectionOf(r *record.Record) *Connection {
	c := &Connection{
		Start: r.Start.Round(0), Duration: r.Duration,
		Client: keyOf(r), Address: r.Client.Unmap(),
		Listener: r.Listener, Protocol: clean(string(r.Protocol)),
		Destination: clean(r.Destination), ServerName: clean(r.ServerName),
		Offered: r.OfferedVersion, Rule: r.Rule, Outcome: r.Outcome,
		Reason: r.Reason, Cause: r.Reason.Cause(), Remedy: r.Reason.Remedy(),
		ClientTLS: r.ClientTLS.String(), UpstreamTLS: r.UpstreamTLS.String(),
		SMTPReply:  clean(r.SMTPReply),
		FromClient: r.BytesFromClient, ToClient: r.BytesToClient,
	}
	if r.Original.IsValid() {
		c.Original = r.Original.String()
	}
	if r.Err != nil {
		c.Detail = cut(r.Err.Error(), maxDetail)
	}
	return c
}

// keyOf is the client's name or address, as metrics label it.
func keyOf(r *record.Record) string {
	switch {
	case r.ClientName != "":
		return clean(r.ClientName)
	case r.Client.IsValid():
		return r.Client.Unmap().String()
	}
	return unknown
}

// note takes in a connection. Connections end in any order, so that times only
// go forward.
func (c *Client) note(r *record.Record, conn *Connection) {
	end := conn.Start.Add(conn.Duration)
	c.Name = clean(r.ClientName)
	c.Address = conn.Address
	if c.FirstSeen.IsZero() || conn.Start.Before(c.FirstSeen) {
		c.FirstSeen = conn.Start
	}
	c.LastSeen = later(c.LastSeen, end)
	c.noteHello(r)
	c.noteHandshake(r.ClientTLS)
	c.noteEnd(conn, end)
	if p := conn.Protocol; p != "" && p != unknown {
		c.Protocols = addSorted(c.Protocols, p, maxProtocols)
	}
	c.Destinations = toFront(c.Destinations, conn.Destination, maxDestinations)
	c.Listeners = toFront(c.Listeners, clean(conn.Listener), maxListeners)
	c.BytesFromClient += count(conn.FromClient)
	c.BytesToClient += count(conn.ToClient)
}

func (c *Client) noteHello(r *record.Record) {
	if r.Rule != "" {
		c.Rule = r.Rule
	}
	if r.OfferedVersion == "" || r.OfferedVersion == none {
		return
	}
	c.Offered = r.OfferedVersion
	c.SendsSNI = r.ServerName != ""
	c.SSLv2Format, c.JA3, c.JA4 = r.SSLv2Format, r.JA3, clean(r.JA4)
}

func (c *Client) noteHandshake(h *record.Handshake) {
	if h == nil {
		return
	}
	c.Version, c.CipherSuite = h.Version, h.CipherSuite
	c.KeyExchange, c.Resumed = keyExchange(h.CipherSuite), h.Resumed
}

// keyExchange is told by the name of a suite (RFC 5246 appendix C); those of
// TLS 1.3 have no key exchange in their name and are ephemeral.
func keyExchange(suite string) string {
	for _, kx := range []string{"RSA", "DHE", "ECDHE"} {
		if strings.HasPrefix(suite, "TLS_"+kx+"_") {
			return kx
		}
	}
	return "ECDHE"
}

// noteEnd takes in what became of the connection.
func (c *Client) noteEnd(conn *Connection, end time.Time) {
	if c.Outcomes == nil {
		c.Outcomes = make(map[record.Outcome]uint64)
	}
	c.Outcomes[conn.Outcome]++
	if conn.Outcome == record.OutcomeLifted {
		c.LastLifted = later(c.LastLifted, end)
	}
	if conn.SMTPReply != "" {
		c.SMTPReply = conn.SMTPReply
	}
	switch {
	case conn.Reason == "":
		c.LastGood = later(c.LastGood, end)
	case !conn.Reason.Failing() || c.Failure != nil && c.Failure.At.After(end):
	default:
		c.Failure = &Failure{At: end, Reason: conn.Reason, Cause: conn.Cause, Remedy: conn.Remedy, Detail: conn.Detail}
	}
}

// copy shares nothing with c that is changed later.
func (c *Client) copy() Client {
	d := *c
	d.Protocols = slices.Clone(c.Protocols)
	d.Destinations = slices.Clone(c.Destinations)
	d.Listeners = slices.Clone(c.Listeners)
	d.Outcomes = maps.Clone(c.Outcomes)
	if c.Failure != nil {
		f := *c.Failure
		d.Failure = &f
	}
	return d
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// count is zero for what cannot be.
func count(n int64) uint64 { return uint64(max(0, n)) }

// toFront puts s in front of a list, which keeps at most max.
func toFront(list []string, s string, max int) []string {
	if s == "" || len(list) > 0 && list[0] == s {
		return list
	}
	list = slices.DeleteFunc(list, func(other string) bool { return other == s })
	return append([]string{s}, list[:min(len(list), max-1)]...)
}

// addSorted adds s to a list unless it has max already.
func addSorted(list []string, s string, max int) []string {
	at, found := slices.BinarySearch(list, s)
	if found || len(list) >= max {
		return list
	}
	return slices.Insert(list, at, s)
}
