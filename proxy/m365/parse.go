package m365

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/policy"
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

// A listReader collects the rows of a list.
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
	published, err := policy.ParsePorts(list)
	if err != nil {
		return "" // check has found it
	}
	var kept []string
	for port := range l.ports {
		if published.Contain(port) {
			kept = append(kept, strconv.Itoa(int(port)))
		}
	}
	return strings.Join(kept, ",")
}

// portsOf returns every port of a list.
func portsOf(l List) (map[uint16]bool, error) {
	all := map[uint16]bool{}
	for _, r := range l.rows {
		of, err := policy.ParsePorts(r.Ports)
		if err != nil {
			return nil, err
		}
		for port := range of.All() {
			all[port] = true
		}
	}
	return all, nil
}

// isRow reports whether r is a certain row of the worldwide instance. The others
// number theirs differently.
func (l *listReader) isRow(r publishedRow, id int) bool {
	return l.list.instance == Worldwide && r.ID == id
}

// hosts returns the hosts of a row that Microsoft runs.
func (l *listReader) hosts(r publishedRow) []string {
	var kept []string
	for _, host := range r.URLs {
		why := "it is not a host pattern"
		if p, err := policy.ParsePattern(host); err == nil {
			why = objection(p, l.reviewed)
		}
		if why == "" {
			kept = append(kept, host)
			continue
		}
		l.omit(host, r.ID, why, contains(omitted, host))
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
		p, err := policy.ParsePattern(host)
		known := err != nil || !isBelow(microsoftDomains, p.Domain())
		l.omit(host, certificateRow, "it is not among the hosts that Microsoft's certificates are checked with", known)
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

func (l *listReader) omit(host string, id int, why string, known bool) {
	shown := netname.Text(netname.WithoutUserinfo(host), maxHost)
	l.list.omissions = append(l.list.omissions, Omission{Host: shown, Row: id, Why: why, Known: known})
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
