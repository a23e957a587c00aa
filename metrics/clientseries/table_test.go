package clientseries

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

const (
	requests = iota
	nothing  // a metric without series of clients
	seen
	failed
	about
)

func newTable() *Table {
	return New([]Family{
		requests: {Name: "requests_total", Help: "a \\ \"b\"\nc", Kind: "counter", Labels: []string{"client", "zone", "code", "b"}},
		nothing:  {},
		seen:     {Name: "seen", Help: "h", Kind: "gauge", Labels: []string{"client"}},
		failed:   {Name: "failed", Help: "h", Kind: "gauge", Labels: []string{"client", "reason"}},
		about:    {Name: "about", Help: "h", Kind: "gauge", Labels: []string{"client", "address", "name", "software"}, IsText: true},
	})
}

func text(t *testing.T, table *Table, of int, f Format) string {
	t.Helper()
	var b strings.Builder
	if err := table.WriteText(&b, of, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func of(t *Table, texts ...string) (v Values) {
	for i, s := range texts {
		v[i] = t.Value(s)
	}
	return v
}

func TestText(t *testing.T) {
	t.Parallel()
	table := newTable()
	b, a := table.Client("b"), table.Client("a")
	b.Add(requests, 2, of(table, "z", "2", "x"))
	b.Add(requests, 1e6, of(table, "z", "1", "y\n"))
	a.Add(requests, 1, of(table, "z", "1", "y\n"))
	a.Add(requests, 1, of(table, "z", "1", "y\n"))
	a.Describe([3]string{`2"`, "", "curl"})
	b.Describe([3]string{"1", "", "curl"})
	for family, want := range map[int]string{
		requests: `# HELP requests_total a \\ "b"\nc` + "\n# TYPE requests_total counter\n" +
			`requests_total{b="x",client="b",code="2",zone="z"} 2` + "\n" +
			`requests_total{b="y\n",client="a",code="1",zone="z"} 2` + "\n" +
			`requests_total{b="y\n",client="b",code="1",zone="z"} 1e+06` + "\n",
		seen: "",
		about: "# HELP about h\n# TYPE about gauge\n" + `about{address="1",client="b",name="",software="curl"} 1` + "\n" +
			`about{address="2\"",client="a",name="",software="curl"} 1` + "\n",
	} {
		if got := text(t, table, family, Plain); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	if got := text(t, table, requests, OpenMetrics); !strings.HasPrefix(got, `# HELP requests a \\ \"b\"\nc`+"\n# TYPE requests counter\n") ||
		!strings.Contains(got, `requests_total{b="x",client="b",code="2",zone="z"} 2.0`+"\n") || !strings.HasSuffix(got, " 1e+06\n") {
		t.Errorf("OpenMetrics:\n%s", got)
	}
}

// A client has no more series of a counter than it may, and all of one gauge are one.
func TestBounds(t *testing.T) {
	t.Parallel()
	table := newTable()
	c := table.Client("a")
	for i := range 40 {
		if got, want := c.AddWithin(requests, 1, of(table, fmt.Sprint(i%20)), 16), i%20 < 16; got != want {
			t.Errorf("series %d has room: %v", i, got)
		}
	}
	for i, reason := range []string{"x", "y", "z"} {
		c.Forward(failed, float64(3-i%3/2*5), of(table, reason)) // 3, 3, -2
	}
	if got := text(t, table, failed, Plain); !strings.HasSuffix(got, "\n# TYPE failed gauge\nfailed{client=\"a\",reason=\"x\"} 3\n") {
		t.Errorf("got %s", got)
	}
	c.Forward(failed, 4, of(table, "y"))
	if got := text(t, table, failed, Plain); !strings.HasSuffix(got, "\n# TYPE failed gauge\nfailed{client=\"a\",reason=\"y\"} 4\n") {
		t.Errorf("got %s", got)
	}
}

func TestValuesAreBounded(t *testing.T) {
	t.Parallel()
	table := newTable()
	for i := range 2 * maxValues {
		table.Value(fmt.Sprint(i))
	}
	if n := len(table.values.texts); n != maxValues {
		t.Errorf("there are %d values", n)
	}
	table.Client("a").Add(requests, 1, of(table, "5", "one more"))
	if got := text(t, table, requests, Plain); !strings.Contains(got, `code="other",zone="5"} 1`) {
		t.Errorf("got %s", got)
	}
}

func TestRemovedClientHasNoSeries(t *testing.T) {
	t.Parallel()
	table := newTable()
	for _, name := range []string{"a", "b"} {
		c := table.Client(name)
		c.Add(requests, 2, of(table, "z"))
		c.Forward(seen, 1, Values{})
	}
	before := table.Remove("a")
	if table.Remove("a") != nil {
		t.Error("it is still there")
	}
	table.AddCounters(table.Client("b"), before)
	table.AddCounters(table.Client("c"), before)
	if got := text(t, table, requests, Plain); strings.Contains(got, `"a"`) || !strings.Contains(got, `client="b",code="other",zone="z"} 4`) ||
		!strings.Contains(got, `client="c",code="other",zone="z"} 2`) {
		t.Errorf("got %s", got)
	}
	if got := text(t, table, seen, Plain); strings.Count(got, "seen{") != 1 {
		t.Errorf("gauges were added: %s", got)
	}
}

// Series and values that come while others are written are all right.
func TestCountingWhileWriting(t *testing.T) {
	t.Parallel()
	table := newTable()
	const clients, each = 8, 300
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for j := range each {
				c := table.Client(fmt.Sprint(i, j%7))
				c.Add(requests, 1, of(table, fmt.Sprint(i, j), "1", fmt.Sprint(j%50)))
				c.Describe([3]string{fmt.Sprint(j), "", ""})
				if j%50 == 0 {
					_, _ = text(t, table, requests, Plain), text(t, table, about, OpenMetrics)
				}
			}
		})
	}
	wg.Wait()
	total := 0.0
	table.Each(requests, func(s *Sample) { total += s.Value })
	if total != clients*each {
		t.Errorf("the sum is %v, want %d", total, clients*each)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, fmt.Errorf("full") }

func TestErrorsOfTheWriter(t *testing.T) {
	t.Parallel()
	table := newTable()
	for i := range 2000 {
		table.Client(fmt.Sprint(i)).Add(requests, 1, of(table, "z"))
	}
	if err := table.WriteText(full{}, requests, Plain); err == nil {
		t.Error("no error")
	}
}
