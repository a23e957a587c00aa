package ownca

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/netname"
)

// ShowHelp and ShowExample are those of the command.
const ShowHelp = `Prints what is to be known of the CA that lifted clients have to trust: its subject,
both fingerprints (the panel of a device shows one of them), how long it is valid,
what it may sign for, and what is open, that is what whoever gets its key could do
more than lift clients.

During a rotation there are two, and it lists the clients that still use the old
one: it asks the tlslift that listens on TLSLIFT_ADMIN_LISTEN for them. It reads no
key, and changes nothing.`

const ShowExample = `  tlslift ca show
  sudo tlslift ca show --env-file /etc/tlslift/tlslift.env
  tlslift ca show --json`

// A Shown is a CA as it is shown.
type Shown struct {
	// State is what it is used for: "current", or during a rotation "old" or "new".
	State string `json:"state"`
	File  string `json:"file"`
	// ID is what the list of clients calls it.
	ID        string    `json:"id"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer,omitempty"` // empty for a root
	SHA256    string    `json:"sha256_fingerprint"`
	SHA1      string    `json:"sha1_fingerprint"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Key       string    `json:"key"`
	Signature string    `json:"signature"`
	Usages    []string  `json:"usages"` // empty: all
	Permitted []string  `json:"permitted_names,omitempty"`
	Excluded  []string  `json:"excluded,omitempty"`
	Critical  bool      `json:"critical_constraints"`
	// Open is what it could sign for besides the servers that clients are lifted to.
	Open []string `json:"open"`
	// Above are the subjects of the CAs above it.
	Above []string `json:"above,omitempty"`
	// NoList is why it can sign no revocation list; empty if it can.
	NoList string `json:"no_revocation_list,omitempty"`
}

// shownOf returns how a CA is shown.
func shownOf(state string, ca *localca.Public) Shown {
	c := ca.Certificate()
	s := Shown{
		State: state, File: ca.CertificateFile(), ID: ca.ID(), Subject: text(c.Subject.String()),
		SHA256: ca.Fingerprint(), SHA1: localca.FingerprintSHA1(c), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		Key: keyText(c), Signature: c.SignatureAlgorithm.String(), Usages: usagesOf(c), Critical: c.PermittedDNSDomainsCritical,
		Open: append([]string{}, ca.Excess()...),
	}
	if !bytes.Equal(c.RawIssuer, c.RawSubject) {
		s.Issuer = text(c.Issuer.String())
	}
	for _, d := range c.PermittedDNSDomains {
		s.Permitted = append(s.Permitted, text(d))
	}
	for _, d := range c.ExcludedDNSDomains {
		s.Excluded = append(s.Excluded, text(d))
	}
	for _, n := range c.ExcludedIPRanges {
		s.Excluded = append(s.Excluded, networkText(n))
	}
	for _, above := range ca.Path()[1:] {
		s.Above = append(s.Above, text(above.Subject.String()))
	}
	if err := ca.SignsLists(); err != nil {
		s.NoList = err.Error()
	}
	return s
}

// text makes what somebody else has chosen safe to print.
func text(s string) string { return netname.Text(s, 300) }

func keyText(c *x509.Certificate) string {
	if key, is := c.PublicKey.(*rsa.PublicKey); is {
		return fmt.Sprintf("RSA, %d bits", key.N.BitLen())
	}
	return c.PublicKeyAlgorithm.String()
}

func networkText(n *net.IPNet) string {
	switch ones, bits := n.Mask.Size(); {
	case ones == 0 && bits == 32:
		return "all IPv4 addresses"
	case ones == 0 && bits == 128:
		return "all IPv6 addresses"
	}
	return n.String()
}

// usagesOf returns the extended key usages in words.
func usagesOf(c *x509.Certificate) []string {
	all := []string{}
	names := map[x509.ExtKeyUsage]string{
		x509.ExtKeyUsageServerAuth: "servers", x509.ExtKeyUsageClientAuth: "clients", x509.ExtKeyUsageCodeSigning: "programs",
		x509.ExtKeyUsageEmailProtection: "mail (S/MIME)",
	}
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageAny {
			return []string{}
		}
		name := names[u]
		if name == "" {
			name = fmt.Sprintf("usage %d", u)
		}
		all = append(all, name)
	}
	for _, u := range c.UnknownExtKeyUsage {
		all = append(all, u.String())
	}
	return all
}

// both returns the CA and, during a rotation, the new one.
func (h *Home) both() ([]Shown, error) {
	now, err := h.current()
	if err != nil {
		return nil, err
	}
	next, err := h.next()
	if err != nil {
		return nil, err
	}
	if next == nil {
		return []Shown{shownOf("current", now)}, nil
	}
	return []Shown{shownOf("old", now), shownOf("new", next)}, nil
}

// Show prints the CA, and the new one of a rotation.
func (h *Home) Show(ctx context.Context, w io.Writer, asJSON bool) error {
	all, err := h.both()
	if err != nil {
		return err
	}
	var users []statuspage.Client
	var unknown error // why it is not known who they are
	if len(all) > 1 {
		old, err := h.current()
		if err != nil {
			return err
		}
		users, unknown = h.usersOf(ctx, old)
	}
	if asJSON {
		return printing.JSON(w, answerOf(all, users, unknown))
	}
	var b strings.Builder
	for i, s := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		s.write(&b, h.now)
		s.writeOpen(&b)
	}
	switch {
	case len(all) < 2:
	case unknown != nil:
		fmt.Fprintf(&b, "\nIt is not known who still uses the old CA: %s\n", unknown)
	case len(users) == 0:
		b.WriteString("\nNo client was last shown the old CA: tlslift ca rotate --finish ends the rotation.\n")
	default:
		fmt.Fprintf(&b, "\n%d clients were last shown the old CA:\n%s", len(users), listed(users, h.now))
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// A showAnswer is all that is shown, as JSON.
type showAnswer struct {
	Authorities []Shown `json:"authorities"`
	// OldUsers are the clients that were last shown the old CA; absent outside of a rotation,
	// and if nobody can say.
	OldUsers []string `json:"clients_of_old,omitempty"`
	Unknown  string   `json:"clients_error,omitempty"`
}

func answerOf(all []Shown, users []statuspage.Client, unknown error) showAnswer {
	a := showAnswer{Authorities: all}
	for _, c := range users {
		a.OldUsers = append(a.OldUsers, c.Client.Client)
	}
	if unknown != nil {
		a.Unknown = unknown.Error()
	}
	return a
}

var titles = map[string]string{
	"current": "CA in use", "old": "Old CA", "new": "New CA",
}

// write writes the CA for a person.
func (s *Shown) write(b *strings.Builder, now time.Time) {
	fmt.Fprintf(b, "%s\n", titles[s.State])
	row := func(name, format string, args ...any) { row(b, name, fmt.Sprintf(format, args...)) }
	row("File", "%s", s.File)
	row("Subject", "%s", s.Subject)
	if s.Issuer != "" {
		row("Signed by", "%s", s.Issuer)
	}
	fmt.Fprintf(b, "  %-19s  %s\n", "SHA-256 fingerprint", s.SHA256)
	row("SHA-1 fingerprint", "%s", s.SHA1)
	row("Valid", "%s to %s%s", day(s.NotBefore), day(s.NotAfter), s.validity(now))
	row("Key", "%s, signed with %s", s.Key, s.Signature)
	usages := "everything"
	if len(s.Usages) > 0 {
		usages = strings.Join(s.Usages, ", ")
	}
	row("Signs for", "%s", usages)
	switch critical := ""; {
	case len(s.Permitted) == 0:
		row("Names", "all")
	default:
		if s.Critical {
			critical = " (critical)"
		}
		row("Names", "%s, and what is below them%s", someOf(s.Permitted), critical)
	}
	if len(s.Excluded) > 0 {
		row("Not for", "%s", strings.Join(s.Excluded, ", "))
	}
	for _, above := range s.Above {
		row("Below", "%s", above)
	}
}

// writeOpen writes what is open.
func (s *Shown) writeOpen(b *strings.Builder) {
	if len(s.Open) == 0 {
		row(b, "Open", "nothing: it is limited as far as it can be")
	}
	for _, open := range s.Open {
		row(b, "Open", open)
	}
	if s.NoList != "" {
		row(b, "Revocation list", "none: "+s.NoList)
	}
}

// row writes a text beside its name.
func row(b *strings.Builder, name, text string) {
	printing.Row(b, fmt.Sprintf("  %-19s  ", name), 23, text, 78)
}

// someOf returns the first of a list, and how many more there are.
func someOf(names []string) string {
	const most = 6
	shown := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		shown += fmt.Sprintf(" and %d more (--json has all)", more)
	}
	return shown
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

// validity says how long the CA is valid.
func (s *Shown) validity(now time.Time) string {
	switch left := s.NotAfter.Sub(now); {
	case now.Before(s.NotBefore):
		return " (not yet)"
	case left < 0:
		return " (expired)"
	default:
		return fmt.Sprintf(" (%d days left)", int(left.Hours()/24))
	}
}
