package metrics

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlslift/tlslift/proxy/record"
)

// WriteClientTable writes a table of the clients from the metrics: the
// connections by protocol, offered TLS version and outcome, then the failures
// with what to do about them.
func WriteClientTable(w io.Writer, g prometheus.Gatherer) error {
	connections, err := rowsOf(g, clientConnectionsTotal)
	if err != nil {
		return err
	}
	if len(connections) == 0 {
		_, err := fmt.Fprintln(w, "No client has connected yet.")
		return err
	}
	heading := []string{"CLIENT", "PROTOCOL", "OFFERED", "OUTCOME", "CONNECTIONS"}
	if err := writeAligned(w, heading, connections); err != nil {
		return err
	}
	failures, err := rowsOf(g, clientFailuresTotal)
	if err != nil || len(failures) == 0 {
		return err
	}
	for i, row := range failures {
		failures[i] = slices.Delete(row, 2, 3) // the label failing
	}
	return writeFailures(w, failures)
}

func writeFailures(w io.Writer, failures [][]string) error {
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := writeAligned(w, []string{"CLIENT", "REASON", "CONNECTIONS"}, failures); err != nil {
		return err
	}
	for _, r := range record.Reasons() {
		if !slices.ContainsFunc(failures, func(row []string) bool { return row[1] == string(r) }) {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s\n  %s\n", r, r.Cause(), r.Remedy()); err != nil {
			return err
		}
	}
	return nil
}

func writeAligned(w io.Writer, heading []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		if _, err := fmt.Fprintln(t, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// rowsOf returns a row for each series of a counter that is labelled by client
// first: its label values in the order of its definition, then its value. The
// rows are sorted by client, addresses by number.
func rowsOf(g prometheus.Gatherer, id metric) ([][]string, error) {
	families, err := g.Gather()
	if err != nil {
		return nil, fmt.Errorf("gathering metrics: %w", err)
	}
	var rows [][]string
	for _, family := range families {
		if family.GetName() != definitions[id].fullName() {
			continue
		}
		for _, series := range family.GetMetric() {
			values := make(map[string]string)
			for _, pair := range series.GetLabel() {
				values[pair.GetName()] = pair.GetValue()
			}
			var row []string
			for _, name := range definitions[id].labels {
				row = append(row, values[name])
			}
			rows = append(rows, append(row, strconv.FormatFloat(series.GetCounter().GetValue(), 'f', -1, 64)))
		}
	}
	slices.SortFunc(rows, compareRows)
	return rows, nil
}

// compareRows puts addresses before names, which are "other" and "unknown".
func compareRows(a, b []string) int {
	addrA, errA := netip.ParseAddr(a[0])
	addrB, errB := netip.ParseAddr(b[0])
	switch {
	case errA == nil && errB != nil:
		return -1
	case errA != nil && errB == nil:
		return 1
	}
	return cmp.Or(addrA.Compare(addrB), slices.Compare(a, b))
}
