package inventory

import (
	"net/netip"
	"time"

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

// connectionOf returns what is kept of a record.
func connectionOf(r *record.Record) *Connection {
	c := &Connection{
		Start: r.Start.Round(0), Seconds: r.Duration.Seconds(),
		Client: keyOf(r), Address: r.Client.Unmap(),
		Listener: r.Listener, Protocol: clean(string(r.Protocol)),
		Destination: clean(r.Destination), ServerName: clean(r.ServerName),
		Offered: r.OfferedVersion, Rule: r.Rule, Outcome: r.Outcome,
		Reason: r.Reason, Fault: r.Reason.Fault(), Cause: r.Reason.Cause(), Remedy: r.Reason.Remedy(),
		ClientTLS: r.ClientTLS.String(), UpstreamTLS: r.UpstreamTLS.String(),
		Mailbox: clean(r.Mailbox), Login: clean(r.Login),
		SMTPReply:  clean(r.SMTPReply),
		Accepted:   max(0, r.Accepted),
		FromClient: r.BytesFromClient, ToClient: r.BytesToClient,
	}
	if r.Original.IsValid() {
		c.Original = r.Original.String()
	}
	if r.Err != nil {
		c.Detail = netname.Text(r.Err.Error(), maxDetail)
	}
	return c
}

// keyOf returns the client's name or address, as in the label client of the
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
