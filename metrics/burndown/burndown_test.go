package burndown

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// zone is the time zone of the machine in all tests here: its days are not those of UTC.
var zone = func() *time.Location {
	time.Local = time.FixedZone("far east", 13*60*60) //nolint:gosmopolitan // nothing runs yet
	return time.Local
}()

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, zone)

const day = 24 * time.Hour

// A client counts once for each day, in whatever order its connections end.
func TestAClientCountsOnceADay(t *testing.T) {
	t.Parallel()
	var c Counts
	c.Lifted(noon, time.Time{})
	c.Lifted(noon.Add(time.Hour), noon)
	c.Lifted(noon.Add(-time.Hour), noon.Add(time.Hour))
	c.Lifted(noon.Add(-2*day), noon.Add(time.Hour)) // ended late: counted already
	c.Lifted(noon.Add(day), noon)
	c.Lifted(noon, time.Time{}) // another client
	if got := fmt.Sprint(c.Days()); got != fmt.Sprintf("[{%d 2 -1} {%d 1 -1}]", DateOf(noon), DateOf(noon)+1) {
		t.Error(got)
	}
}

// A day begins at midnight of the local time, not of UTC.
func TestDaysAreLocal(t *testing.T) {
	t.Parallel()
	before, after := time.Date(2026, 11, 28, 23, 59, 59, 0, zone), time.Date(2026, 11, 29, 0, 0, 0, 0, zone)
	if DateOf(after)-DateOf(before) != 1 || DateOf(before.UTC()) != DateOf(before) {
		t.Errorf("%d and %d", DateOf(before), DateOf(after))
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	var c Counts
	for i := range 1000 {
		c.Lifted(noon.Add(time.Duration(i)*day), time.Time{})
	}
	days := c.Days()
	if len(days) != maxDays || days[maxDays-1].Date != DateOf(noon.Add(999*day)) {
		t.Errorf("%d days, the last is %d", len(days), days[len(days)-1].Date)
	}
}

// A clock that is years off for a while takes no history with it.
func TestClockThatIsWrongForAWhile(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Time{time.Date(1970, 1, 1, 12, 0, 0, 0, zone), time.Date(2099, 1, 1, 12, 0, 0, 0, zone)} {
		var c Counts
		for i := range Span {
			c.SetNeeding(noon.Add(time.Duration(i-Span+1)*day), 7)
		}
		for i := range 20 {
			c.Lifted(wrong.Add(time.Duration(i)*day), time.Time{})
		}
		c = Of(c.Days(), wrong) // a restart
		for i := range Span {
			c.SetNeeding(noon.Add(time.Duration(i)*day), 8)
		}
		chart := ChartOf(c.Days(), 8, noon.Add((Span-1)*day))
		if len(chart.Bars) != Span || len(chart.Lines) != 1 {
			t.Errorf("%s: %d days, %d lines", wrong, len(chart.Bars), len(chart.Lines))
		}
	}
}

func TestChart(t *testing.T) {
	t.Parallel()
	var c Counts
	for i, n := range []int{40, 40, 38, unknown, 20, 1} {
		at := noon.Add(time.Duration(i-5) * day)
		c.Lifted(at, time.Time{})
		if n != unknown {
			c.SetNeeding(at, n)
		}
	}
	c.Lifted(noon.Add(-Span*day), time.Time{}) // before the chart
	chart := ChartOf(c.Days(), 0, noon)
	if len(chart.Bars) != 6 || chart.Top != 40 || chart.Middle != 20 || len(chart.Lines) != 2 {
		t.Errorf("got %+v", chart)
	}
	if want := "On 23 November, 40 clients needed to be lifted; today, it is 0."; chart.Summary != want {
		t.Errorf("got %q, want %q", chart.Summary, want)
	}
	last := chart.Bars[5]
	if last.X != Span-1 || last.Y != 97.5 || last.Height != 2.5 || last.Text != "Sat 28 November 2026: 1 client lifted, 0 still needed it" {
		t.Errorf("today is %+v", last)
	}
	if chart.Bars[2].Text != "Wed 25 November 2026: 1 client lifted, 38 still needed it" ||
		chart.Bars[3].Text != "Thu 26 November 2026: 1 client lifted" {
		t.Errorf("got %q, %q", chart.Bars[2].Text, chart.Bars[3].Text)
	}
	if got := strings.Join(chart.Dates, " | "); got != "31 Aug | 29 Sep | 28 Oct | today" {
		t.Errorf("dates: %s", got)
	}
}

// A line of those who need lifting ends where a day is missing.
func TestLinesHaveGaps(t *testing.T) {
	t.Parallel()
	var c Counts
	for _, ago := range []time.Duration{9, 8, 5, 4, 0} {
		c.SetNeeding(noon.Add(-ago*day), 3)
	}
	chart := ChartOf(c.Days(), 3, noon)
	want := []string{"80,25 81,25 81,25 82,25", "84,25 85,25 85,25 86,25", "89,25 90,25"}
	if !slices.Equal(chart.Lines, want) {
		t.Errorf("got %q, want %q", chart.Lines, want)
	}
}

func TestChartOfNothing(t *testing.T) {
	t.Parallel()
	chart := ChartOf(nil, 7, noon)
	if chart.Summary != "Nothing was counted yet." || len(chart.Bars) != 0 || chart.Top != 2 || len(chart.Dates) != 4 {
		t.Errorf("got %+v", chart)
	}
}

func TestNiceTop(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{0: 2, 1: 2, 3: 4, 9: 10, 11: 12, 37: 40, 121: 160, 300: 400, 2000: 2000, maxCount: 20_000_000} {
		if got := niceTop(n); got != want {
			t.Errorf("%d: got %d, want %d", n, got, want)
		}
	}
}

// FuzzDay holds any text to be a day within bounds, which is written as it is read, or an
// error; and all such days to be drawn within the box.
func FuzzDay(f *testing.F) {
	for _, s := range []string{
		`["2026-11-28",12,30]`, `["2026-11-28",0,-1]`, `["0001-01-01",1,1]`, `["9999-12-31",16777216,1]`, `[1,2,3]`, `["2026-11-28",1e9,0]`,
		`{}`, `null`, `["2026-11-28",-1,0]`, `[`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var d Day
		if json.Unmarshal(text, &d) != nil || d == (Day{}) {
			return
		}
		written, err := json.Marshal(d)
		var again Day
		if err != nil || json.Unmarshal(written, &again) != nil || again != d {
			t.Fatalf("%s became %s, %v", text, written, err)
		}
		for _, b := range ChartOf(Of([]Day{d, d}, noon).days, d.Needing, d.Date.time().Add(12*time.Hour)).Bars {
			if b.X < 0 || b.X >= Span || b.Y < 0 || b.Height < 0 || math.Abs(b.Y+b.Height-height) > 0.01 {
				t.Fatalf("%s is drawn as %+v", text, b)
			}
		}
	})
}
