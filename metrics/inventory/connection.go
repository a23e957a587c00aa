package inventory

import (
	"net/netip"
	"time"
	"unique"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	none    = "none" // of Record.OfferedVersion
	unknown = "unknown"
)

// A Connection is a connection that has ended, or has been refused.
type Connection struct {
	Start       time.Time      `json:"start"`
	Seconds     float64        `json:"duration_seconds"`
	Client      string         `json:"client"`
	Address     netip.Addr     `json:"address"`
	Listener    string         `json:"listener"`
	Protocol    string         `json:"protocol"`
	Destination string         `json:"destination,omitempty"`
	Original    string         `json:"original,omitempty"`
	ServerName  string         `json:"server_name,omitempty"`
	Offered     string         `json:"offered"`
	Rule        record.Rule    `json:"rule,omitempty"`
	Outcome     record.Outcome `json:"outcome"`
	Reason      record.Reason  `json:"reason,omitempty"`
	Fault       record.Fault   `json:"fault,omitempty"`
	Cause       string         `json:"cause,omitempty"`
	Remedy      string         `json:"remedy,omitempty"`
	Detail      string         `json:"detail,omitempty"`
	ClientTLS   string         `json:"client_tls,omitempty"`
	UpstreamTLS string         `json:"upstream_tls,omitempty"`
	Mailbox     string         `json:"mailbox,omitempty"` // that tlslift signed in to
	Login       string         `json:"login,omitempty"`   // by which the client signed in here
	SMTPReply   string         `json:"smtp_reply,omitempty"`
	Accepted    int            `json:"accepted,omitempty"` // mails
	FromClient  int64          `json:"bytes_from_client"`
	ToClient    int64          `json:"bytes_to_client"`
	// Number counts connections since the start, from 1 on; a reader that asks
	// again continues after the last number that it has read.
	Number uint64 `json:"number"`
}

// Duration returns how long the connection lasted.
func (c *Connection) Duration() time.Duration {
	return time.Duration(c.Seconds * float64(time.Second)).Round(time.Microsecond)
}

// A kept is a connection as it is kept. What many have in common is in memory once.
type kept struct {
	start      time.Time
	duration   time.Duration
	number     uint64
	client     string
	address    netip.Addr
	common     unique.Handle[common]
	detail     unique.Handle[string]
	fromClient int64
	toClient   int64
	accepted   int
}

// A common is what connections have in common, above all those of one client.
type common struct {
	listener, protocol, destination, original, serverName, offered string
	rule                                                           record.Rule
	outcome                                                        record.Outcome
	reason                                                         record.Reason
	clientTLS, upstreamTLS                                         record.Handshake // without the time
	mailbox, login, smtpReply                                      string
}

func commonOf(r *record.Record) common {
	c := common{
		listener: r.Listener, protocol: clean(string(r.Protocol)), destination: clean(r.Destination), serverName: clean(r.ServerName),
		offered: r.OfferedVersion, rule: r.Rule, outcome: r.Outcome, reason: r.Reason,
		clientTLS: parametersOf(r.ClientTLS), upstreamTLS: parametersOf(r.UpstreamTLS),
		mailbox: clean(r.Mailbox), login: clean(r.Login), smtpReply: clean(r.SMTPReply),
	}
	if r.Original.IsValid() {
		c.original = r.Original.String()
	}
	return c
}

// parametersOf returns a handshake without its time; the zero value for none.
func parametersOf(h *record.Handshake) record.Handshake {
	if h == nil {
		return record.Handshake{}
	}
	return record.Handshake{Version: h.Version, CipherSuite: h.CipherSuite, Resumed: h.Resumed}
}

// keptOf returns what is kept of a record whose client has this key.
func keptOf(r *record.Record, c common, key string) kept {
	k := kept{
		start: r.Start.Round(0), duration: r.Duration, client: key, address: r.Client.Unmap(),
		common: unique.Make(c), fromClient: r.BytesFromClient, toClient: r.BytesToClient, accepted: max(0, r.Accepted),
	}
	if r.Err != nil {
		k.detail = unique.Make(netname.Text(r.Err.Error(), maxDetail))
	}
	return k
}

func (k *kept) detailText() string {
	if k.detail == (unique.Handle[string]{}) {
		return ""
	}
	return k.detail.Value()
}

// connection returns the connection as it is shown.
func (k *kept) connection() Connection {
	c := k.common.Value()
	shown := Connection{
		Start: k.start, Seconds: k.duration.Seconds(), Client: k.client, Address: k.address,
		Listener: c.listener, Protocol: c.protocol, Destination: c.destination, Original: c.original, ServerName: c.serverName,
		Offered: c.offered, Rule: c.rule, Outcome: c.outcome,
		Reason: c.reason, Fault: c.reason.Fault(), Cause: c.reason.Cause(), Remedy: c.reason.Remedy(), Detail: k.detailText(),
		Mailbox: c.mailbox, Login: c.login, SMTPReply: c.smtpReply, Accepted: k.accepted,
		FromClient: k.fromClient, ToClient: k.toClient, Number: k.number,
	}
	if none := (record.Handshake{}); c.clientTLS != none {
		shown.ClientTLS = c.clientTLS.String()
	}
	if none := (record.Handshake{}); c.upstreamTLS != none {
		shown.UpstreamTLS = c.upstreamTLS.String()
	}
	return shown
}

// keyOf returns the client's name or address, the same as the label client of the
// metrics.
func keyOf(r *record.Record) string {
	switch {
	case r.ClientName != "":
		return clean(r.ClientName)
	case r.Client.IsValid():
		return r.Client.Unmap().String()
	}
	return unknown
}
