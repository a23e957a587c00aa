// Package report writes what is known of clients as CSV files: all of it for a program, and
// what is in the printed report for a person with a spreadsheet.
//
// No cell is a formula, whatever a client has chosen.
package report

import (
	"encoding/csv"
	"io"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
)

// maxCell is far above the length of any cell, and below the limit of spreadsheets.
const maxCell = 2000

// A column is one of a CSV file whose lines are of a type.
type column[T any] struct {
	name string
	of   func(T) string
}

// write writes a file. An error means that the peer has closed the connection, and is not
// of interest.
func write[T any](w io.Writer, columns []column[T], lines []T) {
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180 section 2
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = c.name
	}
	_ = out.Write(cells)
	for _, line := range lines {
		for i, c := range columns {
			cells[i] = cell(c.of(line))
		}
		_ = out.Write(cells)
	}
	out.Flush()
}

// cell returns a text that no spreadsheet reads as a formula, whatever a client has
// chosen. East Asian versions read the wide characters as formulas too.
func cell(s string) string {
	s = netname.Text(s, maxCell)
	if trimmed := strings.TrimLeft(s, " "); trimmed != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(trimmed)[0]) {
		return "'" + s
	}
	return s
}
