package clientseries

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// A Format is one of the text formats of Prometheus.
type Format int

// The formats.
const (
	Plain Format = iota
	OpenMetrics
)

// flushAt is how much text is written at once.
const flushAt = 32 << 10

// WriteText writes a family; nothing if it has no series.
func (t *Table) WriteText(w io.Writer, of int, format Format) error {
	f := &t.families[of]
	p := printer{w: w, format: format}
	t.walk(of, func(r *row, known snapshot) {
		if p.b == nil {
			p.begin(f)
		}
		p.row(f, r, known.escaped)
		if len(p.b) >= flushAt {
			p.flush()
		}
	})
	p.flush()
	return p.err
}

// A printer writes the series of one family.
type printer struct {
	w      io.Writer
	format Format
	b      []byte // nil before the first series
	err    error
}

func (p *printer) flush() {
	if p.err == nil && len(p.b) > 0 {
		_, p.err = p.w.Write(p.b)
	}
	p.b = p.b[:0]
}

// begin writes what comes before the series.
func (p *printer) begin(f *family) {
	p.b = make([]byte, 0, flushAt+1<<10)
	name, escapes := f.Name, helpEscapes
	if p.format == OpenMetrics {
		name, escapes = strings.TrimSuffix(name, "_total"), labelEscapes
	}
	p.b = append(p.b, "# HELP "+name+" "+escapes.Replace(f.Help)+"\n# TYPE "+name+" "+f.Kind+"\n"...)
}

var helpEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`)

// row writes a series; values are those of the labels, as written.
func (p *printer) row(f *family, r *row, values []string) {
	for i, label := range f.order {
		p.b = append(p.b, f.pieces[i]...)
		switch {
		case label == 0:
			p.b = append(p.b, r.client.escaped...)
		case f.IsText:
			p.b = append(p.b, escaped(r.texts[label-1])...)
		default:
			p.b = append(p.b, values[r.key.value(label-1)]...)
		}
	}
	p.b = append(p.b, f.pieces[len(f.order)]...)
	p.value(r.value)
	p.b = append(p.b, '\n')
}

// value writes a value as the library of Prometheus does.
func (p *printer) value(v float64) {
	from := len(p.b)
	if whole := uint64(v); v >= 0 && v < 1e6 && float64(whole) == v { // the same, and faster
		p.b = strconv.AppendUint(p.b, whole, 10)
	} else {
		p.b = strconv.AppendFloat(p.b, v, 'g', -1, 64)
	}
	if p.format == OpenMetrics && !bytes.ContainsAny(p.b[from:], "e.") {
		p.b = append(p.b, ".0"...)
	}
}
