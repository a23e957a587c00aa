package statuspage

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
)

// shownConnections is how many connections a client's page shows.
const shownConnections = 20

// A fact is one line of the details.
type fact struct {
	Name, Text string
	At         moment // instead of Text, if it is a time
}

// A clientView is the page of one client.
type clientView struct {
	head
	Row         row
	Rule        ruleText // the last one that decided
	Facts       []fact
	Failure     *failureView
	Connections []connectionRow
	JSON        string
}

// A failureView is the last failure of a client.
type failureView struct {
	reasonText
	Detail string
	At     moment
	// Over means that a later connection was successful.
	Over bool
}

// A connectionRow is one of a client's last connections.
type connectionRow struct {
	At                                moment
	Outcome, Destination, Offered     string
	ClientTLS, ClientSuite, SMTPReply string
	UpstreamTLS, UpstreamSuite        string
	Mailbox, Login                    string
	Reason, Detail                    string
	Duration, Bytes                   string
}

func (s *site) serveClient(w http.ResponseWriter, r *http.Request) {
	c, ok := s.Inventory.Client(r.PathValue("client"))
	if !ok {
		s.renderMessage(w, http.StatusNotFound, "No such client",
			"No client has this name. Clients that have not connected for a long time are removed.")
		return
	}
	now := time.Now()
	view := clientView{
		head: s.head(shown(c.Client), ""), Row: rowOf(&c, now), Rule: ruleText{Rule: shown(string(c.Rule)), Meaning: c.Rule.Meaning()},
		Facts: factsOf(&c, now), Failure: failureOf(&c, now),
		JSON: "/api/v1" + clientLink(c.Client),
	}
	recent := s.recent(c.Client, 0)
	for i := len(recent) - 1; i >= 0 && len(view.Connections) < shownConnections; i-- {
		view.Connections = append(view.Connections, connectionRowOf(&recent[i], now))
	}
	s.render(w, http.StatusOK, "client.html", view)
}

func failureOf(c *inventory.Client, now time.Time) *failureView {
	f := c.Failure
	if f == nil {
		return nil
	}
	return &failureView{
		reasonText: reasonTextOf(f.Reason, f.Fault, f.Cause, f.Remedy),
		Detail:     sentence(f.Detail), At: momentOf(f.At, now), Over: !c.Unsolved(),
	}
}

// factsOf returns the facts that are known.
func factsOf(c *inventory.Client, now time.Time) []fact {
	all := []fact{
		{Name: "Name", Text: shown(c.Name)},
		{Name: "Address", Text: addressText(c.Address)},
		{Name: "Host name", Text: shown(c.Host)},
		{Name: "First seen", At: momentOf(c.FirstSeen, now)},
		{Name: "Last seen", At: momentOf(c.LastSeen, now)},
		{Name: "Last lifted", At: momentOf(c.LastLifted, now)},
		{Name: "Mail", Text: mailText(c)},
		{Name: "Mailbox", Text: shown(c.Mailbox)},
		{Name: "Login", Text: shown(c.Login)},
		{Name: "Last session that was signed in", At: momentOf(c.LastSignIn, now)},
		{Name: "Last mail accepted", At: momentOf(c.LastAccepted, now)},
		{Name: "Last connection that needed lifting", At: momentOf(c.LastLegacy, now)},
		{Name: "Last connection without a problem", At: momentOf(c.LastGood, now)},
		{Name: "Newest version offered", Text: offeredText(c)},
		{Name: "ClientHello in SSLv2 format", Text: yesNo(c, c.SSLv2Format)},
		{Name: "Sends a server name (SNI)", Text: yesNo(c, c.SendsSNI)},
		{Name: "JA3", Text: shown(c.JA3)},
		{Name: "JA4", Text: shown(c.JA4)},
		{Name: "Last negotiated version", Text: shown(c.Version)},
		{Name: "Cipher suite", Text: shown(c.CipherSuite)},
		{Name: "Key exchange", Text: shown(c.KeyExchange)},
		{Name: "Last negative SMTP reply", Text: shown(c.SMTPReply)},
	}
	if c.Version != "" {
		all = append(all, fact{Name: "Session resumed", Text: yesNo(c, c.Resumed)})
	}
	all = append(all, listed("Protocol", c.Protocols)...)
	all = append(all, listed("Destination", c.Destinations)...)
	all = append(all, listed("Listener", c.Listeners)...)
	all = append(all,
		fact{Name: "From the client", Text: size(c.BytesFromClient)},
		fact{Name: "To the client", Text: size(c.BytesToClient)})
	known := all[:0]
	for _, f := range all {
		if f.Text != "" || f.At.Full != "" {
			known = append(known, f)
		}
	}
	return known
}

func listed(name string, texts []string) []fact {
	all := make([]fact, len(texts))
	for i, s := range texts {
		all[i].Text = shown(s)
		if i == 0 {
			all[i].Name = name
		}
	}
	return all
}

// yesNo returns the answer to a question about the ClientHello; empty when there was
// none.
func yesNo(c *inventory.Client, yes bool) string {
	switch {
	case c.Offered == "" || c.Offered == "none":
		return ""
	case yes:
		return "yes"
	}
	return "no"
}

func connectionRowOf(c *inventory.Connection, now time.Time) connectionRow {
	r := connectionRow{
		At:          momentOf(c.Start, now),
		Outcome:     shown(string(c.Outcome)),
		Destination: shown(cmp.Or(c.Destination, c.ServerName, c.Original)),
		Offered:     shown(c.Offered),
		SMTPReply:   shown(c.SMTPReply),
		Mailbox:     shown(c.Mailbox),
		Login:       shown(c.Login),
		Reason:      shown(string(c.Reason)),
		Detail:      shown(c.Detail),
		Duration:    durationText(c.Duration()),
		Bytes:       size(uint64(max(0, c.FromClient)) + uint64(max(0, c.ToClient))),
	}
	r.ClientTLS, r.ClientSuite = versionAndRest(c.ClientTLS)
	r.UpstreamTLS, r.UpstreamSuite = versionAndRest(c.UpstreamTLS)
	return r
}

// versionAndRest cuts a description of a handshake, as in "TLS 1.2
// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", after the version.
func versionAndRest(s string) (version, rest string) {
	words := strings.SplitN(shown(s), " ", 3)
	if len(words) < 3 {
		return shown(s), ""
	}
	return words[0] + " " + words[1], words[2]
}

func durationText(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
