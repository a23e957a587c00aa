// Package inventory keeps what an administrator wants to know of each client:
// what it speaks, whether it needs tlslift, and why it fails.
//
// It refuses to grow without bound, and it keeps nothing of the content.
package inventory

import (
	"net/netip"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Client is what is known of one client. Its JSON form is the one of the API
// and of the state file.
type Client struct {
	// Client is the configured name, else the address: the value of the label
	// client in metrics.
	Client string `json:"client"`
	// Name is the configured name; empty if there is none.
	Name string `json:"name,omitempty"`
	// Address is where it came from last.
	Address netip.Addr `json:"address"`
	// Host is the name that reverse DNS gives; empty if it was not asked for.
	Host      string    `json:"host,omitempty"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`

	// What its last ClientHello said; empty and false if it never sent one.
	Offered     string `json:"offered,omitempty"` // newest version, as in "TLS 1.0"
	SSLv2Format bool   `json:"sslv2_format"`
	SendsSNI    bool   `json:"sends_sni"`
	JA3         string `json:"ja3,omitempty"`
	JA4         string `json:"ja4,omitempty"`
	// Rule is the rule by which it was passed or lifted last.
	Rule record.Rule `json:"rule,omitempty"`

	// What was agreed on when it was lifted last; empty if it never was.
	Version     string `json:"version,omitempty"`
	CipherSuite string `json:"cipher_suite,omitempty"`
	KeyExchange string `json:"key_exchange,omitempty"` // RSA, DHE or ECDHE
	Resumed     bool   `json:"resumed"`

	Protocols    []string `json:"protocols,omitempty"`    // sorted; bounded
	Destinations []string `json:"destinations,omitempty"` // latest first; bounded
	Listeners    []string `json:"listeners,omitempty"`    // latest first; bounded

	// Outcomes counts its connections.
	Outcomes   map[record.Outcome]uint64 `json:"outcomes"`
	LastLifted time.Time                 `json:"last_lifted,omitzero"`
	// Failure is the last one; nil if there was none. It stays when later
	// connections went well: compare LastGood.
	Failure  *Failure  `json:"failure,omitempty"`
	LastGood time.Time `json:"last_good,omitzero"` // last connection without a reason
	// SMTPReply is the last negative reply of a destination, as in "550 5.7.60".
	SMTPReply string `json:"smtp_reply,omitempty"`

	BytesFromClient uint64 `json:"bytes_from_client"`
	BytesToClient   uint64 `json:"bytes_to_client"`
}

// A Failure is a connection with a reason.
type Failure struct {
	At     time.Time     `json:"at"`
	Reason record.Reason `json:"reason"`
	Cause  string        `json:"cause"`
	Remedy string        `json:"remedy"`
	Detail string        `json:"detail,omitempty"`
}

// Failing says whether the client's last connection had a reason that somebody
// should look at.
func (c *Client) Failing() bool {
	return c.Failure != nil && c.Failure.At.After(c.LastGood)
}

// Legacy says whether the client needs to be lifted.
func (c *Client) Legacy() bool {
	return c.Rule != "" && c.Rule != record.RuleCapable && !c.LastLifted.IsZero()
}

// A Connection is a connection that has ended, or has been refused.
type Connection struct {
	Start       time.Time      `json:"start"`
	Duration    time.Duration  `json:"duration_ns"`
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
	Cause       string         `json:"cause,omitempty"`
	Remedy      string         `json:"remedy,omitempty"`
	Detail      string         `json:"detail,omitempty"`
	ClientTLS   string         `json:"client_tls,omitempty"`
	UpstreamTLS string         `json:"upstream_tls,omitempty"`
	SMTPReply   string         `json:"smtp_reply,omitempty"`
	FromClient  int64          `json:"bytes_from_client"`
	ToClient    int64          `json:"bytes_to_client"`
	// Number counts connections since the start, from 1 on; a reader that asks
	// again goes on behind the last number that it has seen.
	Number uint64 `json:"number"`
}
