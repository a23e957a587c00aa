package deviceca

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/netname"
)

// An Authority is the device CA as it is shown.
type Authority struct {
	File     string    `json:"file"`
	Subject  string    `json:"subject"`
	SHA256   string    `json:"sha256_fingerprint"`
	SHA1     string    `json:"sha1_fingerprint"`
	NotAfter time.Time `json:"not_after"`
	// Permitted are the domains that it is limited to; none means no limit.
	Permitted []string `json:"permitted_names,omitempty"`
	Excluded  []string `json:"excluded_names"`
	// Open is what whoever gets its key could sign for and should not.
	Open []string `json:"open"`
	// List is where its revocation list is; empty if certificates name none.
	List string `json:"revocation_list,omitempty"`
}

// shownOf returns how a device CA is shown.
func (h *Home) shownOf(ca *localca.Public) Authority {
	c := ca.Certificate()
	a := Authority{
		File: ca.CertificateFile(), Subject: netname.Text(c.Subject.String(), 200), SHA256: ca.Fingerprint(), SHA1: localca.FingerprintSHA1(c),
		NotAfter: c.NotAfter.UTC(), Permitted: c.PermittedDNSDomains, Excluded: c.ExcludedDNSDomains, Open: []string{}, List: h.listURL(ca),
	}
	if len(c.PermittedDNSDomains) == 0 {
		a.Open = append(a.Open, "it can sign for every host name that is not Microsoft's or an allowed destination: "+
			"let no browser trust it that visits other sites than your devices")
	}
	var uncovered []string
	for _, domain := range h.options.Excluded {
		if ca.Covers(domain) {
			uncovered = append(uncovered, domain)
		}
	}
	if len(uncovered) > 0 {
		a.Open = append(a.Open, "it can sign for destinations that were allowed after it was made: "+strings.Join(uncovered, ", "))
	}
	return a
}

// writeAuthority writes it for a person.
func writeAuthority(b *strings.Builder, a Authority, now time.Time) {
	b.WriteString("Device CA\n")
	row(b, "File", a.File)
	row(b, "Subject", a.Subject)
	fmt.Fprintf(b, "  %-19s  %s\n", "SHA-256 fingerprint", a.SHA256)
	row(b, "Valid", fmt.Sprintf("to %s (%d days left)", a.NotAfter.Format(time.DateOnly), int(a.NotAfter.Sub(now).Hours()/24)))
	row(b, "Signs for", "clients, and servers of private addresses and host names")
	if len(a.Permitted) > 0 {
		row(b, "Names", strings.Join(a.Permitted, ", ")+", and what is below them")
	}
	row(b, "Not for", fmt.Sprintf("%d domains of Microsoft and of allowed destinations", len(a.Excluded)))
	for _, open := range a.Open {
		row(b, "Open", open)
	}
	if a.List != "" {
		row(b, "Revocation list", a.List)
	}
}

// valid is the state of what is neither revoked nor expired.
const valid = "valid"

// state says in a word what a certificate is.
func (i *Issued) state(now time.Time) string {
	switch {
	case !i.Revoked.IsZero():
		return "revoked " + i.Revoked.Format(time.DateOnly)
	case now.After(i.Until):
		return "expired"
	}
	return valid
}

// A listAnswer is all that is listed, as JSON.
type listAnswer struct {
	Authority Authority `json:"authority"`
	Issued    []Issued  `json:"issued"`
}

// List prints the device CA and what it has issued, the latest first. It reads no key.
func (h *Home) List(w io.Writer, asJSON bool) error {
	ca, err := h.Public()
	if err != nil {
		return err
	}
	r, err := loadRegister(h.options.Dir)
	if err != nil {
		return err
	}
	slices.Reverse(r.Issued)
	if asJSON {
		return printing.JSON(w, listAnswer{h.shownOf(ca), r.Issued})
	}
	var b strings.Builder
	writeAuthority(&b, h.shownOf(ca), h.now())
	b.WriteByte('\n')
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERIAL NUMBER\tNAME\tUNTIL\tSTATE\tFOR")
	for n := range r.Issued {
		i := &r.Issued[n]
		// Whose directory it is may have written anything.
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", i.Serial, netname.Text(i.Name, maxLabel), i.Until.Format(time.DateOnly), i.state(h.now()),
			netname.Text(i.uses(), 300))
	}
	_ = table.Flush() // a strings.Builder takes all
	if len(r.Issued) == 0 {
		b.WriteString("no certificate was issued\n")
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// Names are those of devices with a certificate that is valid, for completion.
func (h *Home) Names() []string {
	r, err := loadRegister(h.options.Dir)
	if err != nil {
		return nil
	}
	var all []string
	for n := range r.Issued {
		if i := &r.Issued[n]; i.state(h.now()) == valid {
			all = append(all, i.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
