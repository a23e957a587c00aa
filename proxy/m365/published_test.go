package m365_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/tlslift/tlslift/proxy/m365"
)

// A serviceRow is a row as the web service writes it; absent members are not
// written.
type serviceRow struct {
	ID       int      `json:"id"`
	Area     string   `json:"serviceArea"`
	Display  string   `json:"serviceAreaDisplayName"`
	URLs     []string `json:"urls,omitempty"`
	IPs      []string `json:"ips,omitempty"`
	Ports    string   `json:"tcpPorts,omitempty"`
	UDP      string   `json:"udpPorts,omitempty"`
	Required bool     `json:"required"`
	Notes    string   `json:"notes,omitempty"`
}

// extras are the hosts that Microsoft publishes in rows of the table, and that
// the table leaves out.
var extras = map[int][]string{
	37:  {"spoprod-a.akamaihd.net"},
	59:  {"*.msecnd.net"},
	70:  {"platform.linkedin.com"},
	73:  {"ecn.dev.virtualearth.net"},
	125: {"*.entrust.net", "crl.globalsign.com", "www.digicert.com"},
}

// serviceRows returns what the web service would answer on the day the table
// was made: the table itself, and what the table leaves out.
func serviceRows(t testing.TB, instance m365.Instance) []serviceRow {
	t.Helper()
	text, err := os.ReadFile("m365.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Instances map[m365.Instance]struct {
			Rows []struct {
				ID          int
				Area, Ports string
				Hosts, IPs  []string
			}
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var rows []serviceRow
	for _, r := range file.Instances[instance].Rows {
		if r.ID == 0 {
			continue
		}
		row := serviceRow{ID: r.ID, Area: r.Area, Display: r.Area + " Online", URLs: r.Hosts, IPs: r.IPs, Ports: r.Ports, Required: true}
		if instance == m365.Worldwide {
			row.Required = r.ID != 2
			row.URLs = slices.Concat(row.URLs, extras[r.ID])
			if r.ID == 125 {
				row.Ports = "443,80"
			}
		}
		rows = append(rows, row)
	}
	return append(rows,
		serviceRow{ID: 1011, Area: "Skype", IPs: []string{"52.112.0.0/14"}, UDP: "3478", Required: true},
		serviceRow{ID: 1016, Area: "Skype", URLs: []string{"*.keydelivery.mediaservices.windows.net"}, Ports: "443", Required: true},
		serviceRow{ID: 1032, Area: "SharePoint", URLs: []string{"ssw.live.com", "*.search.evil.example"}, Ports: "443", Notes: "optional"},
	)
}

// encode is the body of the web service's answer.
func encode(t testing.TB, rows []serviceRow) []byte {
	t.Helper()
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const newVersion = "2026112400"

// readList parses rows, which must be in order.
func readList(t testing.TB, instance m365.Instance, rows []serviceRow) m365.List {
	t.Helper()
	l, err := m365.ParseList(instance, newVersion, encode(t, rows))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// withRow returns a worldwide answer with one required row more.
func withRow(t testing.TB, ports string, hosts ...string) []serviceRow {
	t.Helper()
	return append(serviceRows(t, m365.Worldwide), serviceRow{ID: 900, Area: "Common", URLs: hosts, Ports: ports, Required: true})
}

// change returns the rows with one of them changed.
func change(t testing.TB, rows []serviceRow, id int, do func(*serviceRow)) []serviceRow {
	t.Helper()
	for i := range rows {
		if rows[i].ID == id {
			do(&rows[i])
			return rows
		}
	}
	t.Fatalf("there is no row %d", id)
	return nil
}

// texts are the endpoints of a policy as a set of text.
func texts(p *m365.Policy) []string {
	all := make(map[string]bool)
	for _, e := range p.Endpoints() {
		all[e.String()+" "+e.Source()] = true
	}
	return slices.Sorted(maps.Keys(all))
}
