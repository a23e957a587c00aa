package inventory

import (
	"cmp"
	"maps"
	"net/netip"
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

// A Client has what is known of one client. Its JSON form is that of the API and
// of the state file.
type Client struct {
	// Client is the configured name, else the address: the value of the label
	// client in metrics.
	Client string `json:"client"`
	// Name is the configured name; empty if there is none.
	Name string `json:"name,omitempty"`
	// Address is the one from which it last connected.
	Address netip.Addr `json:"address"`
	// Host is its name in reverse DNS; empty if there is none or TLSLIFT_REVERSE_DNS
	// is off.
	Host string `json:"host,omitempty"`
	// HostConfirmed means that the clients file has this name, and that it leads back to
	// the address.
	HostConfirmed bool `json:"host_confirmed,omitempty"`

	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`

	// From its last ClientHello; empty and false if it never sent one.
	Offered     string `json:"offered,omitempty"` // newest version, for example "TLS 1.0"
	SSLv2Format bool   `json:"sslv2_format"`
	SendsSNI    bool   `json:"sends_sni"`
	JA3         string `json:"ja3,omitempty"`
	JA4         string `json:"ja4,omitempty"`
	// Rule is the last one that decided for it.
	Rule record.Rule `json:"rule,omitempty"`

	// Negotiated when it was last lifted; empty if it never was.
	Version     string `json:"version,omitempty"`
	CipherSuite string `json:"cipher_suite,omitempty"`
	KeyExchange string `json:"key_exchange,omitempty"` // RSA, DHE or ECDHE
	Resumed     bool   `json:"resumed"`
	// CA is the ID of the CA that it was last shown a certificate of, and has accepted;
	// tlslift ca show has it. It is empty if it never was lifted.
	CA string `json:"ca,omitempty"`

	// Mailbox is the one that tlslift last signed in to for it, and Login the name by which
	// it signed in here; Login is empty if it needs none. LastSignIn is the end of that
	// session.
	Mailbox    string    `json:"mailbox,omitempty"`
	Login      string    `json:"login,omitempty"`
	LastSignIn time.Time `json:"last_sign_in,omitzero"`

	Protocols    []string `json:"protocols,omitempty"`    // sorted; bounded
	Destinations []string `json:"destinations,omitempty"` // latest first; bounded
	Listeners    []string `json:"listeners,omitempty"`    // latest first; bounded

	// Outcomes counts its connections.
	Outcomes map[record.Outcome]uint64 `json:"outcomes"`
	// FailedInSession counts the connections that were passed or lifted and have
	// failed all the same, as when the destination rejects the mail.
	FailedInSession uint64    `json:"failed_in_session"`
	LastLifted      time.Time `json:"last_lifted,omitzero"`
	// LastLegacy is the end of the last connection that could not have reached
	// Microsoft 365 without tlslift, LastCapable that of the last one that could.
	LastLegacy  time.Time `json:"last_legacy,omitzero"`
	LastCapable time.Time `json:"last_capable,omitzero"`
	// Failure is the last one; nil if there was none. It stays when later
	// connections succeed: compare LastGood.
	Failure  *Failure  `json:"failure,omitempty"`
	LastGood time.Time `json:"last_good,omitzero"` // last connection without a reason
	// Accepted counts the mails of the client that destinations have accepted in
	// lifted sessions; SessionsWithoutMail counts its lifted SMTP sessions since then.
	Accepted            uint64    `json:"accepted"`
	LastAccepted        time.Time `json:"last_accepted,omitzero"`
	SessionsWithoutMail uint64    `json:"sessions_without_mail"`
	// MailPause is the longest time between two of these mails, less the longer ago that
	// was; zero if that is not known. It is the rhythm by which Silent judges.
	MailPause Seconds `json:"mail_pause_seconds,omitempty"`
	// SMTPReply is the last negative reply of a destination, for example "550 5.7.60".
	SMTPReply string `json:"smtp_reply,omitempty"`

	BytesFromClient uint64 `json:"bytes_from_client"`
	BytesToClient   uint64 `json:"bytes_to_client"`
}

// A Failure is a connection with a reason that counts as failing.
type Failure struct {
	At     time.Time     `json:"at"`
	Reason record.Reason `json:"reason"`
	Fault  record.Fault  `json:"fault"` // whose fault it is
	Cause  string        `json:"cause"`
	Remedy string        `json:"remedy"`
	Detail string        `json:"detail,omitempty"`
}

// Failing reports whether the client failed within the last day, and no later
// connection succeeded. It is what the page, the API, the CLI and the alerts mean.
func (c *Client) Failing(now time.Time) bool {
	return c.Unsolved() && now.Sub(c.Failure.At) < record.FailingFor
}

// Unsolved reports whether the client failed, and no later connection succeeded,
// however long ago.
func (c *Client) Unsolved() bool { return c.Failure != nil && c.Failure.At.After(c.LastGood) }

// Shown reports whether the CA with an ID signed the last certificate that the client was
// shown, as far as is known: one that was lifted by a tlslift which did not note that may
// have been.
func (c *Client) Shown(ca string) bool { return c.CA == ca || c.CA == "" && c.Version != "" }

// signInFor is how long a client that was signed in counts as one that needs that, whatever
// else it does.
const signInFor = 30 * 24 * time.Hour

// Legacy reports whether the client needs to be lifted, whether or not it ever was:
// its ClientHello or its dialogue could not have reached Microsoft 365, or it has no
// other sign-in than that of tlslift. A client that later gets there by itself is legacy
// for one more day, since several devices may share a name. One that was signed in is for
// 30 days: what it does at other destinations says nothing of its mail.
func (c *Client) Legacy() bool {
	if !c.LastSignIn.IsZero() && c.LastSeen.Sub(c.LastSignIn) < signInFor {
		return true
	}
	return !c.LastLegacy.IsZero() && !c.LastCapable.After(c.LastLegacy.Add(24*time.Hour))
}

// MayBeLegacy reports whether the client fails before it has shown whether it needs to be
// lifted: it may be an old one. A client outside of the client networks is nobody's.
func (c *Client) MayBeLegacy() bool {
	return c.Unsolved() && c.Failure.Reason != record.ReasonClientNotAllowed && (c.LastCapable.IsZero() || c.Legacy())
}

// neededFor is how long a client that was not seen again counts as one that needs lifting.
const neededFor = 30 * 24 * time.Hour

// NeedsLifting reports whether the client is one of those that still need to be lifted:
// one that was seen within a month.
func (c *Client) NeedsLifting(now time.Time) bool {
	return c.Legacy() && now.Sub(c.LastSeen) < neededFor
}

// add counts a connection. Connections end in any order, so times only go
// forward.
func (c *Client) add(r *record.Record, conn *common, k *kept) {
	end := k.start.Add(r.Duration)
	c.Name = clean(r.ClientName)
	if c.Address != k.address {
		c.Address, c.Host, c.HostConfirmed = k.address, "", false
	}
	if c.FirstSeen.IsZero() || k.start.Before(c.FirstSeen) {
		c.FirstSeen = k.start
	}
	c.LastSeen = later(c.LastSeen, end)
	c.addHello(r)
	switch r.Need() {
	case record.NeedLifting:
		c.LastLegacy = later(c.LastLegacy, end)
	case record.NeedNone:
		c.LastCapable = later(c.LastCapable, end)
	case record.NeedUnknown:
	}
	if h := r.ClientTLS; h != nil {
		c.Version, c.CipherSuite = h.Version, h.CipherSuite
		c.KeyExchange, c.Resumed, c.CA = keyExchange(h.CipherSuite), h.Resumed, cmp.Or(h.CA, c.CA)
	}
	if r.SignedIn() && !end.Before(c.LastSignIn) {
		c.Mailbox, c.Login, c.LastSignIn = conn.mailbox, conn.login, end
	}
	c.addOutcome(conn, k, end)
	addMail(c, r, end)
	if p := conn.protocol; p != "" && p != unknown {
		c.Protocols = addSorted(c.Protocols, p, maxProtocols)
	}
	c.Destinations = toFront(c.Destinations, conn.destination, maxDestinations)
	c.Listeners = toFront(c.Listeners, clean(conn.listener), maxListeners)
	c.BytesFromClient += uint64(max(0, k.fromClient))
	c.BytesToClient += uint64(max(0, k.toClient))
}

func (c *Client) addHello(r *record.Record) {
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

// keyExchange returns the key exchange in the name of a suite (RFC 5246 appendix
// C); the names of TLS 1.3 have none, and its key exchange is ephemeral.
func keyExchange(suite string) string {
	for _, kx := range []string{"RSA", "DHE", "ECDHE"} {
		if strings.HasPrefix(suite, "TLS_"+kx+"_") {
			return kx
		}
	}
	return "ECDHE"
}

// addOutcome counts the outcome of a connection, and keeps its failure.
func (c *Client) addOutcome(conn *common, k *kept, end time.Time) {
	if c.Outcomes == nil {
		c.Outcomes = make(map[record.Outcome]uint64)
	}
	c.Outcomes[conn.outcome]++
	if conn.reason.Failing() && (conn.outcome == record.OutcomePassed || conn.outcome == record.OutcomeLifted) {
		c.FailedInSession++
	}
	if conn.outcome == record.OutcomeLifted {
		c.LastLifted = later(c.LastLifted, end)
	}
	if conn.smtpReply != "" {
		c.SMTPReply = conn.smtpReply
	}
	switch {
	case conn.reason == "":
		c.LastGood = later(c.LastGood, end)
	case !conn.reason.Failing() || c.Failure != nil && c.Failure.At.After(end):
	default:
		c.Failure = &Failure{
			At: end, Reason: conn.reason, Fault: conn.reason.Fault(), Cause: conn.reason.Cause(), Remedy: conn.reason.Remedy(),
			Detail: k.detailText(),
		}
	}
}

// copy returns a copy that shares nothing with c that changes later.
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
