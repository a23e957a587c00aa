package policy

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed m365.json
var m365 string

// A table is m365.json; what is there only for its readers is not read.
type table struct {
	Instances map[Instance]struct {
		Rows []row `json:"rows"`
	} `json:"instances"`
}

// A row is a row of the published endpoints, or one of ours if it has no id.
type row struct {
	ID    int      `json:"id"`
	Area  string   `json:"area"`
	Hosts []string `json:"hosts"`
	Ports string   `json:"ports"`
}

// published returns the table's endpoints of an instance.
func published(instance Instance) ([]Endpoint, error) {
	var t table
	if err := json.Unmarshal([]byte(m365), &t); err != nil {
		return nil, fmt.Errorf("reading the table of Microsoft 365 endpoints: %w", err)
	}
	of, ok := t.Instances[instance]
	if !ok {
		return nil, unknownInstance(string(instance))
	}
	var all []Endpoint
	for _, r := range of.Rows {
		endpoints, err := r.endpoints()
		if err != nil {
			return nil, err
		}
		all = append(all, endpoints...)
	}
	return all, nil
}

func (r row) endpoints() ([]Endpoint, error) {
	source := "supplement, " + r.Area
	if r.ID != 0 {
		source = fmt.Sprintf("row %d, %s", r.ID, r.Area)
	}
	var all []Endpoint
	for _, host := range r.Hosts {
		e, err := newEndpoint(host, r.Ports, source)
		if err != nil {
			return nil, fmt.Errorf("reading %s, host %q: %w", source, host, err)
		}
		all = append(all, e)
	}
	return all, nil
}
