package policy

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"
)

//go:embed m365.json
var m365 string

// A table is m365.json; what is there only for its readers is not read.
type table struct {
	Instances map[Instance]tableOf `json:"instances"`
}

// A tableOf is the part of the table for one instance.
type tableOf struct {
	Published string `json:"published"` // as in 2026-08-14; empty if that is not known
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
	if err := json.Unmarshal([]byte(m365), &t); err != nil {
		return tableOf{}, fmt.Errorf("reading the table of Microsoft 365 endpoints: %w", err)
	}
	of, ok := t.Instances[instance]
	if !ok {
		return tableOf{}, unknownInstance(string(instance))
	}
	return of, nil
}

// add adds what a row allows and where that is.
func (p *Policy) add(r row) error {
	endpoints, err := r.endpoints()
	if err != nil {
		return err
	}
	p.endpoints = append(p.endpoints, endpoints...)
	if len(r.IPs) > 0 {
		p.ranges = append(p.ranges, Range{Area: r.Area, Source: r.source(), Prefixes: r.IPs, endpoints: endpoints})
	}
	return nil
}

func (r row) source() string {
	if r.ID == 0 {
		return "supplement, " + r.Area
	}
	return fmt.Sprintf("row %d, %s", r.ID, r.Area)
}

func (r row) endpoints() ([]Endpoint, error) {
	var all []Endpoint
	for _, host := range r.Hosts {
		e, err := newEndpoint(host, r.Ports, r.source())
		if err != nil {
			return nil, fmt.Errorf("reading %s, host %q: %w", r.source(), host, err)
		}
		all = append(all, e)
	}
	return all, nil
}
