package m365

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/tlslift/tlslift/proxy/policy"
)

//go:embed m365.json
var tableText string

// A table is m365.json; what is there only for its readers is not read.
type table struct {
	Instances map[Instance]tableOf `json:"instances"`
}

// A tableOf is the part of the table for one instance.
type tableOf struct {
	Published string `json:"published"` // for example 2026-08-14; empty if that is not known
	Rows      []row  `json:"rows"`
}

// A row is a row of the published endpoints, or one of ours if it has no id.
type row struct {
	ID    int            `json:"id"`
	Area  string         `json:"area"`
	Hosts []string       `json:"hosts"`
	Ports string         `json:"ports"`
	IPs   []netip.Prefix `json:"ips"`
}

// builtIn returns the table of an instance.
func builtIn(instance Instance) (tableOf, error) {
	var t table
	if err := json.Unmarshal([]byte(tableText), &t); err != nil {
		return tableOf{}, fmt.Errorf("reading the table of Microsoft 365 endpoints: %w", err)
	}
	of, ok := t.Instances[instance]
	if !ok {
		return tableOf{}, unknownInstance(string(instance))
	}
	return of, nil
}

func (r row) source() string {
	if r.ID == 0 {
		return "supplement, " + r.Area
	}
	return fmt.Sprintf("row %d, %s", r.ID, r.Area)
}

func (r row) endpoints() ([]policy.Endpoint, error) {
	var all []policy.Endpoint
	for _, host := range r.Hosts {
		e, err := policy.NewEndpoint(host, r.Ports, r.source())
		if err != nil {
			return nil, fmt.Errorf("reading %s, host %q: %w", r.source(), host, err)
		}
		all = append(all, e)
	}
	return all, nil
}
