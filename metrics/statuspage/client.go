package statuspage

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/summary"
	"github.com/tlslift/tlslift/metrics/wording"
	"github.com/tlslift/tlslift/proxy/clientfile"
)

// shownConnections is how many connections a client's page shows.
const shownConnections = 20

// A fact is one line of the details.
type fact struct {
	Name, Text string
	At         wording.Moment // instead of Text, if it is a time
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
	At     wording.Moment
	// Over means that a later connection was successful.
	Over bool
}

// A connectionRow is one of a client's last connections.
type connectionRow struct {
	At                                wording.Moment
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
	now, about := time.Now(), s.Describe(c.Name)
	view := clientView{
		head: s.head(wording.Shown(c.Client), ""), Row: rowOf(&c, about, now),
		Rule:  ruleText{Rule: wording.Shown(string(c.Rule)), Meaning: c.Rule.Meaning()},
		Facts: factsOf(&c, about, now), Failure: failureOf(&c, now),
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
		Detail:     wording.Sentence(f.Detail), At: wording.At(f.At, now), Over: !c.Unsolved(),
	}
}

// factsOf returns the facts that are known.
func factsOf(c *inventory.Client, about clientfile.Description, now time.Time) []fact {
	all := []fact{
		{Name: "Name", Text: wording.Shown(c.Name)},
		{Name: "Model", Text: wording.Shown(about.Model)},
		{Name: "Note", Text: wording.Sentence(about.Note)},
		{Name: "Address", Text: wording.Address(c.Address)},
		{Name: "Host name", Text: wording.Shown(c.Host)},
		{Name: "First seen", At: wording.At(c.FirstSeen, now)},
		{Name: "Last seen", At: wording.At(c.LastSeen, now)},
		{Name: "Last lifted", At: wording.At(c.LastLifted, now)},
		{Name: "Mail", Text: summary.Mail(c)},
		{Name: "Mailbox", Text: wording.Shown(c.Mailbox)},
		{Name: "Login", Text: wording.Shown(c.Login)},
		{Name: "Last session that was signed in", At: wording.At(c.LastSignIn, now)},
		{Name: "Last mail accepted", At: wording.At(c.LastAccepted, now)},
		{Name: "Longest time without a mail", Text: pauseText(c, now)},
		{Name: "Last connection that needed lifting", At: wording.At(c.LastLegacy, now)},
		{Name: "Last connection without a problem", At: wording.At(c.LastGood, now)},
		{Name: "Newest version offered", Text: summary.Offers(c)},
		{Name: "ClientHello in SSLv2 format", Text: yesNo(c, c.SSLv2Format)},
		{Name: "Sends a server name (SNI)", Text: yesNo(c, c.SendsSNI)},
		{Name: "JA3", Text: wording.Shown(c.JA3)},
		{Name: "JA4", Text: wording.Shown(c.JA4)},
		{Name: "Last negotiated version", Text: wording.Shown(c.Version)},
		{Name: "Cipher suite", Text: wording.Shown(c.CipherSuite)},
		{Name: "Key exchange", Text: wording.Shown(c.KeyExchange)},
		{Name: "Last negative SMTP reply", Text: wording.Shown(c.SMTPReply)},
	}
	if c.Version != "" {
		all = append(all, fact{Name: "Session resumed", Text: yesNo(c, c.Resumed)})
	}
	all = append(all, listed("Protocol", c.Protocols)...)
	all = append(all, listed("Destination", c.Destinations)...)
	all = append(all, listed("Listener", c.Listeners)...)
	all = append(all,
		fact{Name: "From the client", Text: wording.Size(c.BytesFromClient)},
		fact{Name: "To the client", Text: wording.Size(c.BytesToClient)})
	known := all[:0]
	for _, f := range all {
		if f.Text != "" || f.At.Full != "" {
			known = append(known, f)
		}
	}
	return known
}

// pauseText returns in words how long the client usually is without a mail at most, and whether it is
// silent.
func pauseText(c *inventory.Client, now time.Time) string {
	switch {
	case c.MailPause == 0:
		return ""
	case c.Silent(now):
		return wording.Span(c.MailPause.Duration()) + "; it is silent now"
	}
	return wording.Span(c.MailPause.Duration())
}

func listed(name string, texts []string) []fact {
	all := make([]fact, len(texts))
	for i, s := range texts {
		all[i].Text = wording.Shown(s)
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
		At:          wording.At(c.Start, now),
		Outcome:     wording.Shown(string(c.Outcome)),
		Destination: wording.Shown(cmp.Or(c.Destination, c.ServerName, c.Original)),
		Offered:     wording.Shown(c.Offered),
		SMTPReply:   wording.Shown(c.SMTPReply),
		Mailbox:     wording.Shown(c.Mailbox),
		Login:       wording.Shown(c.Login),
		Reason:      wording.Shown(string(c.Reason)),
		Detail:      wording.Shown(c.Detail),
		Duration:    wording.Duration(c.Duration()),
		Bytes:       wording.Size(uint64(max(0, c.FromClient)) + uint64(max(0, c.ToClient))),
	}
	r.ClientTLS, r.ClientSuite = versionAndRest(c.ClientTLS)
	r.UpstreamTLS, r.UpstreamSuite = versionAndRest(c.UpstreamTLS)
	return r
}

// versionAndRest cuts a description of a handshake, for example "TLS 1.2
// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", after the version.
func versionAndRest(s string) (version, rest string) {
	words := strings.SplitN(wording.Shown(s), " ", 3)
	if len(words) < 3 {
		return wording.Shown(s), ""
	}
	return words[0] + " " + words[1], words[2]
}
