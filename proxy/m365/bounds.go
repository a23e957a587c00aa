package m365

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/policy"
)

// The bounds of a list, each several times what Microsoft publishes (in 2026:
// 70 rows, 26 hosts in a row, 180 addresses, 27 KiB).
const (
	// MaxList is the size in bytes of the longest text that ParseList reads.
	MaxList     = 4 << 20
	maxRows     = 500
	maxHosts    = 500   // of a row
	maxPrefixes = 10000 // of all rows
	maxPorts    = 200   // bytes
	maxArea     = 40    // bytes
	maxHost     = 260   // bytes that are repeated of a host
	// maxShown bounds what an error repeats of a list.
	maxShown = 100
	// maxGrowth is how many times the addresses of the built-in list a list may
	// have.
	maxGrowth = 4
)

// The widest ranges that are trusted. Microsoft's are /13 and /36 at most.
const (
	widest4 = 12
	widest6 = 32
)

// checkPrefix refuses what cannot be a range of addresses of Microsoft.
func checkPrefix(p netip.Prefix) error {
	addr := p.Addr()
	switch {
	case !p.IsValid() || addr.Is4In6() || p != p.Masked():
		return fmt.Errorf("%q is not a range of addresses", p)
	case addr.Is4() && p.Bits() < widest4, addr.Is6() && p.Bits() < widest6:
		return fmt.Errorf("the range of addresses %s is too wide", p)
	case netname.SpecialPrefix(p):
		return fmt.Errorf("the addresses %s are not public", p)
	}
	return nil
}

// check refuses a row that is out of bounds or malformed.
func (r publishedRow) check() error {
	switch {
	case r.ID <= 0:
		return errors.New("the id is not above zero")
	case r.Area == "" || len(r.Area) > maxArea || strings.ContainsFunc(r.Area, isNotAreaRune):
		return fmt.Errorf("%q is no name of a service area", netname.Cut(r.Area, maxShown))
	case len(r.URLs) > maxHosts:
		return fmt.Errorf("it has more than %d hosts", maxHosts)
	case len(r.TCPPorts) > maxPorts:
		return errors.New("the list of ports is too long")
	}
	if r.TCPPorts != "" {
		if _, err := policy.ParsePorts(r.TCPPorts); err != nil {
			return err
		}
	}
	for _, p := range r.IPs {
		if err := checkPrefix(p); err != nil {
			return err
		}
	}
	return nil
}

// isNotAreaRune keeps what would disturb a log or a terminal out of a name
// that is shown there.
func isNotAreaRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != ' ' && r != '-'
}

// size counts the endpoints and addresses that Microsoft has published, without
// the supplements.
func (l List) size() (endpoints, prefixes int) {
	for _, r := range l.rows {
		if r.ID != 0 {
			endpoints += len(r.Hosts)
			prefixes += len(r.IPs)
		}
	}
	return endpoints, prefixes
}

// room returns how many addresses a list has, of IPv4 and of IPv6.
func (l List) room() (v4, v6 float64) {
	for _, r := range l.rows {
		for _, p := range r.IPs {
			size := math.Exp2(float64(p.Addr().BitLen() - p.Bits()))
			if p.Addr().Is4() {
				v4 += size
			} else {
				v6 += size
			}
		}
	}
	return v4, v6
}

// check refuses a list with which clients that work would stop working.
func (l List) check(builtIn List) error {
	if l.published.Before(builtIn.published) {
		return fmt.Errorf("it is older than the built-in one, of %s", builtIn.published.Format(time.DateOnly))
	}
	p, err := NewFrom(l, nil)
	if err != nil {
		return err
	}
	mail := p.Mail()
	for _, d := range []policy.Destination{mail.SMTP, mail.IMAP, mail.POP3, {Host: signIn[l.instance], Port: httpsPort}} {
		if !p.allows(d.Host, d.Port) {
			return fmt.Errorf("it lacks %s", d)
		}
	}
	endpoints, prefixes := l.size()
	wantEndpoints, wantPrefixes := builtIn.size()
	if 2*endpoints < wantEndpoints {
		return fmt.Errorf("it has %d hosts, less than half of the %d that are built in", endpoints, wantEndpoints)
	}
	v4, v6 := l.room()
	most4, most6 := builtIn.room()
	if v4 > maxGrowth*most4 || v6 > maxGrowth*most6 {
		return fmt.Errorf("it has more than %d times the addresses that are built in", maxGrowth)
	}
	if 2*prefixes < wantPrefixes {
		return fmt.Errorf("it has %d address ranges, less than half of the %d that are built in", prefixes, wantPrefixes)
	}
	return nil
}
