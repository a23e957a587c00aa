// Package clientcsv makes a clients file from a table of devices, as a spreadsheet or an
// inventory writes it as CSV. It refuses a table with anything in it that it does not
// understand, and says in which lines.
package clientcsv

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/spelling"
)

// MaxFile is how many bytes a table may have.
const MaxFile = 4 << 20

// maxProblems is how many mistakes are told.
const maxProblems = 50

// A column is one that a table may have.
type column struct {
	name   string
	isList bool // several values stand in a cell, with spaces or commas in between
	isText bool // it is for people, and may have line breaks
}

// group is the column that only says which clients stand together.
const group = "group"

// columns are all, in the order in which a client has them.
var columns = []column{
	{name: "name"},
	{name: "address", isList: true},
	{name: "network", isList: true},
	{name: "host", isList: true},
	{name: "to", isList: true},
	{name: "plaintext"},
	{name: "ciphers", isList: true},
	{name: "ca"},
	{name: "model", isText: true},
	{name: "note", isText: true},
	{name: group},
}

// Columns returns the names of the columns that a table may have.
func Columns() []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

// Convert reads a table and returns a clients file with its devices. The first line has the
// names of the columns; the cells are separated by commas, semicolons or tabs. The error has
// a line for each mistake.
func Convert(table io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(table, MaxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > MaxFile:
		return nil, fmt.Errorf("the table has more than %d bytes; remove columns that tlslift does not use", MaxFile)
	case !utf8.Valid(text):
		return nil, errors.New("the table is not UTF-8 text; save it as \"CSV UTF-8\"")
	}
	rows, err := read(bytes.TrimPrefix(text, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	return write(rows)
}

// A row is one device.
type row struct {
	line  int
	cells map[string]string // by column, without those that are empty
}

// read reads the rows of a table.
func read(text []byte) ([]row, error) {
	in := csv.NewReader(bytes.NewReader(text))
	in.Comma, in.FieldsPerRecord, in.ReuseRecord = separator(text), -1, true
	head, err := in.Read()
	if err != nil {
		return nil, readError(err)
	}
	line, _ := in.FieldPos(0)
	names, err := header(head)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	var rows []row
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, readError(err)
		}
		r := row{cells: map[string]string{}}
		r.line, _ = in.FieldPos(0)
		for i, field := range fields {
			switch field = strings.TrimSpace(field); {
			case field == "":
			case i >= len(names):
				return nil, fmt.Errorf("line %d: there are more cells than columns; put quotes around a text with a %q in it", r.line, in.Comma)
			default:
				r.cells[names[i]] = field
			}
		}
		if len(r.cells) > 0 {
			rows = append(rows, r)
		}
	}
}

// separator returns what stands between the cells of a table: what its first line has most
// of.
func separator(text []byte) rune {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	best := ','
	for _, c := range []rune{';', '\t'} {
		if bytes.Count(first, []byte(string(c))) > bytes.Count(first, []byte(string(best))) {
			best = c
		}
	}
	return best
}

// readError returns what is wrong with the form of a table.
func readError(err error) error {
	var form *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the table is empty; its first line has the names of the columns, such as name,address,model,note")
	case errors.As(err, &form):
		return fmt.Errorf("line %d: %w; put quotes around the whole cell, and write a quote in it twice", form.Line, form.Err)
	}
	return err
}

// header reads the names of the columns.
func header(head []string) ([]string, error) {
	known := Columns()
	names := make([]string, len(head))
	for i, name := range head {
		names[i] = strings.ToLower(strings.TrimSpace(name))
		switch {
		case !slices.Contains(known, names[i]):
			return nil, unknownColumn(name, known)
		case slices.Contains(names[:i], names[i]):
			return nil, fmt.Errorf("there are two columns %q; remove one of the two", names[i])
		}
	}
	if !slices.Contains(names, "name") {
		return nil, errors.New("there is no column name; add one, with a name for each device")
	}
	return names, nil
}

func unknownColumn(name string, known []string) error {
	shown := netname.Text(netname.Cut(name, 60), 60)
	if near := spelling.Nearest(strings.ToLower(name), known); near != "" {
		return fmt.Errorf("unknown column %q; did you mean %s?", shown, near)
	}
	return fmt.Errorf("unknown column %q; name it like one of %s, or remove it", shown, strings.Join(known, ", "))
}

// write returns the clients file with the devices of a table, those of a group together.
func write(rows []row) ([]byte, error) {
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.cells[group], b.cells[group]) })
	var out file
	out.say("# Made by tlslift clients import: change the table, and make it again.")
	out.say("clients:")
	for i, r := range rows {
		out.add(r, i == 0 || rows[i-1].cells[group] != r.cells[group])
	}
	text := out.text.Bytes()
	if _, err := clientfile.Parse(text); err != nil {
		return nil, out.problems(err)
	}
	return text, nil
}

// A file is a clients file that grows.
type file struct {
	text bytes.Buffer
	from []int // for each line, that of the table
	line int   // of the table
}

func (f *file) say(format string, args ...any) {
	fmt.Fprintf(&f.text, format+"\n", args...)
	f.from = append(f.from, f.line)
}

// add adds a device.
func (f *file) add(r row, isFirst bool) {
	f.line = r.line
	if name := r.cells[group]; isFirst && name != "" {
		f.say("")
		f.say("  # %s", netname.Text(name, len(name)))
	}
	begin := "  - "
	for _, c := range columns {
		value := r.cells[c.name]
		if value == "" && c.name != "name" || c.name == group {
			continue
		}
		f.say("%s%s: %s", begin, c.name, c.written(value))
		begin = "    "
	}
}

// written returns a cell as it is written in YAML. The escapes of Go are among those of
// YAML.
func (c column) written(value string) string {
	switch {
	case c.isText:
		return strconv.Quote(strings.Join(strings.Fields(value), " "))
	case !c.isList:
		return strconv.Quote(value)
	}
	all := strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\n' || r == '\r' || r == '\t' })
	for i, one := range all {
		all[i] = strconv.Quote(one)
	}
	if len(all) == 1 && c.name != "ciphers" {
		return all[0]
	}
	return "[" + strings.Join(all, ", ") + "]"
}
