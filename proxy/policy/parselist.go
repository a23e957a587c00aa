package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
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
	// maxShown bounds what an error repeats of a list.
	maxShown = 100
	// maxGrowth is how many times the addresses of the built-in list a list may
	// have.
	maxGrowth = 4
)

const (
	clientsRow     = 2   // POP3, IMAP4 and SMTP clients, worldwide
	certificateRow = 125 // certificate authorities, worldwide
)

// A publishedRow is a row as the web service writes it.
type publishedRow struct {
	ID       int            `json:"id"`
	Area     string         `json:"serviceArea"`
	URLs     []string       `json:"urls"`
	IPs      []netip.Prefix `json:"ips"`
	TCPPorts string         `json:"tcpPorts"`
	Required bool           `json:"required"`
}

// ParseList reads what the endpoints web service of Microsoft 365 answers for
// an instance, and keeps of it what the rule of the package documentation
// allows. Version is the service's own name of it, YYYYMMDDNN.
//
// It is an error if the text is not such a list, has more than MaxList bytes
// or is otherwise out of bounds, has addresses that cannot be Microsoft's or
// too many of them,
// lacks the hosts for mail or sign-in, or has less than half of the hosts or
// addresses of the built-in list.
func ParseList(instance Instance, version string, text []byte) (List, error) {
	reader, err := newListReader(instance, version)
	if err != nil {
		return List{}, err
	}
	rows, err := decodeRows(text)
	if err != nil {
		return List{}, fmt.Errorf("reading list %s: %w", version, err)
	}
	for _, r := range rows {
		if err := reader.take(r); err != nil {
			return List{}, fmt.Errorf("reading list %s, row %d: %w", version, r.ID, err)
		}
	}
	l := reader.finish()
	if err := l.check(reader.builtIn); err != nil {
		return List{}, fmt.Errorf("reading list %s: %w", version, err)
	}
	return l, nil
}

func decodeRows(text []byte) ([]publishedRow, error) {
	if len(text) > MaxList {
		return nil, fmt.Errorf("it has more than %d bytes", MaxList)
	}
	var rows []publishedRow
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, err
	}
	if len(rows) > maxRows {
		return nil, fmt.Errorf("it has more than %d rows", maxRows)
	}
	return rows, nil
}

// A listReader gathers the rows of a list.
type listReader struct {
	list     List
	builtIn  List
	reviewed map[string]bool
	ports    map[uint16]bool // of the built-in list
	prefixes int
}

func newListReader(instance Instance, version string) (*listReader, error) {
	builtIn, err := BuiltIn(instance)
	if err != nil {
		return nil, err
	}
	published, err := ParseVersion(version)
	if err != nil {
		return nil, err
	}
	reviewed, err := reviewedPatterns()
	if err != nil {
		return nil, err
	}
	known, err := portsOf(builtIn)
	if err != nil {
		return nil, err
	}
	return &listReader{
		ports:    known,
		list:     List{instance: builtIn.instance, version: version, published: published},
		builtIn:  builtIn,
		reviewed: reviewed,
	}, nil
}

// ParseVersion returns the day on which a version of the web service,
// YYYYMMDDNN, was published.
func ParseVersion(version string) (time.Time, error) {
	const layout = "20060102"
	if len(version) != len(layout)+2 || strings.Trim(version, "0123456789") != "" {
		return time.Time{}, fmt.Errorf("version %q is not ten digits", netname.Cut(version, maxShown))
	}
	day, err := time.Parse(layout, version[:len(layout)])
	if err != nil {
		return time.Time{}, fmt.Errorf("version %q begins with no date: %w", version, err)
	}
	return day, nil
}

// take adds what is kept of a row. A row that is not kept must be sound too:
// where there is a mistake, there may be others.
func (l *listReader) take(r publishedRow) error {
	l.prefixes += len(r.IPs)
	if l.prefixes > maxPrefixes {
		return fmt.Errorf("the list has more than %d address ranges", maxPrefixes)
	}
	if err := r.check(); err != nil {
		return err
	}
	if len(r.URLs) == 0 || r.TCPPorts == "" || !r.Required && !l.isRow(r, clientsRow) {
		return nil
	}
	kept := row{ID: r.ID, Area: r.Area, Ports: l.knownPorts(r.TCPPorts), IPs: r.IPs}
	if l.isRow(r, certificateRow) {
		kept.Ports = "80"
		kept.Hosts = l.certificateHosts(r.URLs)
	} else {
		kept.Hosts = l.hosts(r)
	}
	if len(kept.Hosts) > 0 && kept.Ports != "" {
		l.list.rows = append(l.list.rows, kept)
	}
	return nil
}

// knownPorts returns those of a row's ports that the built-in list has too: a
// mistake in the service's list must not open others, such as that of SSH.
func (l *listReader) knownPorts(list string) string {
	published, err := parsePorts(list)
	if err != nil {
		return "" // check has found it
	}
	var kept []string
	for port := range l.ports {
		if published.contain(port) {
			kept = append(kept, strconv.Itoa(int(port)))
		}
	}
	return strings.Join(kept, ",")
}

// portsOf returns every port of a list.
func portsOf(l List) (map[uint16]bool, error) {
	all := map[uint16]bool{}
	for _, r := range l.rows {
		of, err := parsePorts(r.Ports)
		if err != nil {
			return nil, err
		}
		for _, s := range of {
			for port := s.first; ; port++ {
				all[port] = true
				if port == s.last {
					break
				}
			}
		}
	}
	return all, nil
}

// isRow says whether r is a certain row of the worldwide instance. The others
// number theirs differently.
func (l *listReader) isRow(r publishedRow, id int) bool {
	return l.list.instance == Worldwide && r.ID == id
}

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
		if _, err := parsePorts(r.TCPPorts); err != nil {
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

// hosts returns the hosts of a row that Microsoft runs.
func (l *listReader) hosts(r publishedRow) []string {
	var kept []string
	for _, host := range r.URLs {
		why := "it is not a host pattern"
		if p, err := parsePattern(host); err == nil {
			why = p.objection(l.reviewed)
		}
		if why == "" {
			kept = append(kept, host)
			continue
		}
		l.leave(host, r.ID, why, contains(leftOut, host))
	}
	return kept
}

// certificateHosts returns the hosts of the certificate row that the built-in
// list has too. Others that Microsoft runs are worth a look; those of other
// authorities are not.
func (l *listReader) certificateHosts(hosts []string) []string {
	var builtIn, kept []string
	for _, r := range l.builtIn.rows {
		if r.ID == certificateRow {
			builtIn = r.Hosts
		}
	}
	for _, host := range hosts {
		if contains(builtIn, host) {
			kept = append(kept, host)
			continue
		}
		p, err := parsePattern(host)
		known := err != nil || !isBelow(microsoftDomains, p.domain)
		l.leave(host, certificateRow, "it is not among the hosts that Microsoft's certificates are checked with", known)
	}
	return kept
}

func contains(hosts []string, host string) bool {
	for _, h := range hosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

func (l *listReader) leave(host string, id int, why string, known bool) {
	l.list.left = append(l.list.left, Left{Host: netname.Text(netname.WithoutUserinfo(host), maxAsked), Row: id, Why: why, Known: known})
}

// finish adds the supplements of the built-in list.
func (l *listReader) finish() List {
	for _, r := range l.builtIn.rows {
		if r.ID == 0 {
			l.list.rows = append(l.list.rows, r)
		}
	}
	return l.list
}

// room is how many addresses a list has, of IPv4 and of IPv6.
func (l List) room() (v4, v6 float64) {
	for _, r := range l.rows {
		more4, more6 := room(r.IPs)
		v4, v6 = v4+more4, v6+more6
	}
	return v4, v6
}

// check refuses a list with which clients that work would cease to.
func (l List) check(builtIn List) error {
	if l.published.Before(builtIn.published) {
		return fmt.Errorf("it is older than the built-in one, of %s", builtIn.published.Format(time.DateOnly))
	}
	p, err := NewFrom(l, nil)
	if err != nil {
		return err
	}
	mail := p.Mail()
	for _, d := range []Destination{mail.SMTP, mail.IMAP, mail.POP3, {signIn[l.instance], httpsPort}} {
		if !p.allows(d) {
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
