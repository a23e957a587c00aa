package report

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/bench"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/subject"
)

// Sizes of the picture, in pixels.
const (
	panelWidth = 470
	barHeight  = 16
	barStep    = 22
	barLeft    = 140
	barMost    = 230
	titleRoom  = 42
	gap        = 18
	columns    = 2
)

// Colours that differ for people who see no red or no green, too.
const (
	colourOurs = "#0b6bb8"
	colourPeer = "#b9c2cc"
	colourText = "#1c2126"
)

// SVG writes a panel of bars for each figure, with those who take part in it; shorter is
// better. A thin line shows the extremes of the rounds.
func SVG(w io.Writer, r *bench.Result) error {
	var panels strings.Builder
	y := gap
	for row := range slices.Chunk(r.Figures, columns) {
		most := 0
		for i, f := range row {
			subjects := takingIn(r, f)
			most = max(most, len(subjects))
			fmt.Fprintf(&panels, `<g transform="translate(%d %d)">`+"\n", gap+i*panelWidth, y)
			panel(&panels, f, subjects)
			panels.WriteString("</g>\n")
		}
		y += titleRoom + most*barStep + gap
	}
	var b strings.Builder
	width := columns*panelWidth + gap
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" `, width, y)
	fmt.Fprintf(&b, `font-family="sans-serif" font-size="12" fill="%s"><title>%s</title>`+"\n", colourText,
		"tlslift and its peers; shorter is better")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, y)
	b.WriteString(panels.String())
	b.WriteString("</svg>\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing SVG: %w", err)
	}
	return nil
}

// takingIn returns the subjects that take part in a figure.
func takingIn(r *bench.Result, f bench.Figure) []subject.Subject {
	var with []subject.Subject
	for _, s := range r.Subjects {
		if f.Cells[s.ID].Status != bench.None {
			with = append(with, s)
		}
	}
	return with
}

// panel writes one figure.
func panel(b *strings.Builder, f bench.Figure, subjects []subject.Subject) {
	fmt.Fprintf(b, `<text y="12" font-size="14" font-weight="bold">%s</text>`, html.EscapeString(f.Title))
	fmt.Fprintf(b, `<text y="28" fill="#5a646e">%s</text>`+"\n", html.EscapeString(f.Unit+", shorter is better"))
	most := 0.0
	for _, c := range f.Cells {
		for _, v := range c.Samples {
			most = max(most, v)
		}
	}
	if most == 0 {
		most = 1
	}
	for i, s := range subjects {
		y := titleRoom + i*barStep
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, barLeft-8, y+12, html.EscapeString(label(s)))
		c := f.Cells[s.ID]
		if c.Status != bench.Measured {
			fmt.Fprintf(b, `<text x="%d" y="%d" fill="#5a646e">%s</text>`+"\n", barLeft, y+12, html.EscapeString(cellText(c, f)))
			continue
		}
		colour := colourPeer
		if s.Ours() {
			colour = colourOurs
		}
		scale := func(v float64) float64 { return max(v, 0) / most * barMost }
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, barLeft, y, scale(c.Median), barHeight, colour)
		low, high := extremes(c.Samples)
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%[3]d" stroke="%s"/>`,
			barLeft+scale(low), barLeft+scale(high), y+barHeight/2, colourText)
		fmt.Fprintf(b, `<text x="%.1f" y="%d">%s</text>`+"\n", barLeft+scale(max(c.Median, high))+6, y+12, number(c.Median, f.Digits))
	}
}

func extremes(samples []float64) (low, high float64) {
	low, high = samples[0], samples[0]
	for _, v := range samples {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}
