package burndown

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Span is how many days a chart has.
const Span = 90

// height is that of the drawing, whose days are one unit wide.
const height = 100

// A Chart is what a page draws: bars and lines in a box of Span times 100 units, whose
// origin is above on the left.
type Chart struct {
	Bars []Bar
	// Lines are the points of polylines for the clients that needed to be lifted; there
	// are several when days are missing.
	Lines []string
	// Top is the number at the upper edge, Middle the one half-way.
	Top, Middle int
	// Dates are those on the lower edge, at the same distance from each other.
	Dates []string
	// Summary is the same in words.
	Summary string
}

// A Bar is the clients that were lifted on one day.
type Bar struct {
	X, Y, Height float64
	Text         string
}

// ChartOf draws the last days until today. needing is how many clients need to be lifted
// now, which may be another number than at the last count of today.
func ChartOf(days []Day, needing int, now time.Time) Chart {
	today := DateOf(now)
	var shown []Day
	most := 0
	for _, d := range days {
		if d.Date == today {
			d.Needing = needing
		}
		if d.Date > today-Span && d.Date <= today {
			shown = append(shown, d)
			most = max(most, d.Lifted, d.Needing)
		}
	}
	c := Chart{Summary: summary(shown, today)}
	c.Top = niceTop(most)
	c.Middle = c.Top / 2
	for ago := Date(Span - 1); ago > 0; ago -= (Span - 1) / 3 {
		c.Dates = append(c.Dates, (today - ago).time().Format("2 Jan"))
	}
	c.Dates = append(c.Dates[:3], "today")
	scale := func(n int) float64 { return math.Round(float64(n)*height*100/float64(c.Top)) / 100 }
	var line []string
	for i, d := range shown {
		x := float64(d.Date - today + Span - 1)
		c.Bars = append(c.Bars, Bar{X: x, Y: height - scale(d.Lifted), Height: scale(d.Lifted), Text: d.text()})
		if i > 0 && (d.Needing == unknown || shown[i-1].Date != d.Date-1) {
			c.addLine(&line)
		}
		if d.Needing != unknown {
			line = append(line, fmt.Sprintf("%g,%g", x, height-scale(d.Needing)), fmt.Sprintf("%g,%g", x+1, height-scale(d.Needing)))
		}
	}
	c.addLine(&line)
	return c
}

// addLine ends a polyline, which begins anew.
func (c *Chart) addLine(points *[]string) {
	if len(*points) > 0 {
		c.Lines = append(c.Lines, strings.Join(*points, " "))
	}
	*points = nil
}

// niceTop returns a round number that is even and not below n.
func niceTop(n int) int {
	for unit := 1; ; unit *= 10 {
		for _, step := range []int{2, 4, 6, 8, 10, 12, 16} {
			if step*unit >= n {
				return step * unit
			}
		}
	}
}

// text returns a day in words.
func (d Day) text() string {
	text := fmt.Sprintf("%s: %s lifted", d.Date.time().Format("Mon 2 January 2006"), clients(d.Lifted))
	if d.Needing != unknown {
		text += fmt.Sprintf(", %d still needed it", d.Needing)
	}
	return text
}

func clients(n int) string {
	if n == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", n)
}

// summary compares the first day on which the clients that need lifting were counted with
// the last one.
func summary(days []Day, today Date) string {
	var first, last *Day
	for i := range days {
		if days[i].Needing == unknown {
			continue
		}
		if first == nil {
			first = &days[i]
		}
		last = &days[i]
	}
	switch {
	case first == nil:
		return "Nothing was counted yet."
	case first == last:
		return fmt.Sprintf("Counted since %s.", first.Date.time().Format("2 January 2006"))
	}
	end := "today"
	if last.Date != today {
		end = "on " + last.Date.time().Format("2 January")
	}
	return fmt.Sprintf("On %s, %s needed to be lifted; %s, it is %d.",
		first.Date.time().Format("2 January"), clients(first.Needing), end, last.Needing)
}
