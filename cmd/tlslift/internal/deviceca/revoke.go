package deviceca

import (
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
)

// reasons are those of RFC 5280 section 5.3.1 that are of use for a device. A list says
// nothing of the first one.
var reasons = []struct {
	name string
	code int
}{
	{"unspecified", 0}, {"keyCompromise", 1}, {"affiliationChanged", 3}, {"superseded", 4}, {"cessationOfOperation", 5},
	{"privilegeWithdrawn", 9},
}

// Reasons are the reasons of a revocation.
func Reasons() []string {
	var all []string
	for _, r := range reasons {
		all = append(all, r.name)
	}
	return all
}

// reasonCode returns the number of a reason; -1 if it is none. Empty is unspecified.
func reasonCode(name string) int {
	if name == "" {
		return 0
	}
	for _, r := range reasons {
		if strings.EqualFold(r.name, name) {
			return r.code
		}
	}
	return -1
}

// A Revocation says what is revoked.
type Revocation struct {
	// Asked is a serial number or the name of a device.
	Asked  string
	Reason string
	// All revokes all valid certificates of a device.
	All bool
}

// Check returns what is wrong with the command line.
func (r *Revocation) Check() error {
	if reasonCode(r.Reason) < 0 {
		return fmt.Errorf("--reason: %q is not a reason; use one of %s", r.Reason, strings.Join(Reasons(), ", "))
	}
	return nil
}

// Run revokes, and says to w what came of it.
func (r *Revocation) Run(h *Home, w io.Writer) error {
	ca, err := h.Public()
	if err != nil {
		return err
	}
	var b strings.Builder
	err = h.change(func(in *register) error {
		found := in.find(r.Asked, h.now())
		switch {
		case len(found) == 0:
			return fmt.Errorf("no valid certificate has the name or serial number %q; tlslift ca issued lists all", netname.Text(r.Asked, maxLabel))
		case len(found) > 1 && !r.All:
			return r.ambiguous(found)
		}
		for _, one := range found {
			name := netname.Text(one.Name, maxLabel)
			if !one.Revoked.IsZero() {
				fmt.Fprintf(&b, "%s of %s was revoked at %s already.\n", one.Serial, name, one.Revoked.Format(time.DateOnly))
				continue
			}
			one.Revoked, one.Reason = h.now().UTC().Truncate(time.Second), canonical(r.Reason)
			fmt.Fprintf(&b, "%s of %s is revoked.\n", one.Serial, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.WriteString("\nNext: the revocation list has it at once, where tlslift runs with this state directory.\n" +
		"Who checks fetches the list again when the one that he has ends, within a week.\n")
	if url := h.listURL(ca); url != "" {
		fmt.Fprintf(&b, "It is at %s\n", url)
	} else {
		fmt.Fprintf(&b, "It is at /crl/%s.crl on the admin address and the public one.\n", ca.ID())
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func (r *Revocation) ambiguous(found []*Issued) error {
	var b strings.Builder
	for _, one := range found {
		fmt.Fprintf(&b, "\n  %s, from %s to %s", one.Serial, one.From.Format(time.DateOnly), one.Until.Format(time.DateOnly))
	}
	return fmt.Errorf("%s has %d valid certificates; give the serial number of one, or --all:%s",
		netname.Text(r.Asked, maxLabel), len(found), &b)
}

// canonical returns a reason as it is written; empty for the one that says nothing.
func canonical(reason string) string {
	for _, r := range reasons[1:] {
		if strings.EqualFold(r.name, reason) {
			return r.name
		}
	}
	return ""
}

// revoked returns what a list has at a time. Nothing that the last list had is taken back, also
// if the register was restored from before, until it has expired.
func (r register) revoked(before []x509.RevocationListEntry, now time.Time) []x509.RevocationListEntry {
	var all []x509.RevocationListEntry
	known := map[string]*Issued{}
	for n := range r.Issued {
		i := &r.Issued[n]
		number := i.number()
		known[number.String()] = i
		if !i.Revoked.IsZero() && now.Before(i.Until.Add(afterwards)) {
			all = append(all, x509.RevocationListEntry{
				SerialNumber: number, RevocationTime: i.Revoked.UTC().Truncate(time.Second), ReasonCode: reasonCode(i.Reason),
			})
		}
	}
	for _, e := range before {
		if i := known[e.SerialNumber.String()]; i != nil && (!i.Revoked.IsZero() || !now.Before(i.Until.Add(afterwards))) {
			continue
		}
		all = append(all, x509.RevocationListEntry{SerialNumber: e.SerialNumber, RevocationTime: e.RevocationTime, ReasonCode: e.ReasonCode})
	}
	slices.SortFunc(all, func(a, b x509.RevocationListEntry) int { return a.SerialNumber.Cmp(b.SerialNumber) })
	return all
}

// afterwards is how long a list still has what has expired: at least one list does (RFC 5280
// section 3.3).
const afterwards = 8 * 24 * time.Hour
