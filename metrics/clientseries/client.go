package clientseries

import (
	"slices"
	"sync"
	"time"
	"unique"
)

// Values are the values of the labels after the first; those that a family does not have
// are zero.
type Values [maxLabels]Value

// A key identifies a series of a client: the family and the values, in the order of the
// labels.
type key uint64

func newKey(of int, v Values) key {
	return key(of)<<48 | key(v[0])<<32 | key(v[1])<<16 | key(v[2]) //nolint:gosec // there are few families
}

func (k key) family() int { return int(k >> 48) }

func (k key) value(i int) Value { return Value(k >> (32 - 16*i) & (1<<16 - 1)) }

// A series is a counter or a gauge.
type series struct {
	key     key
	value   float64
	created int64 // in nanoseconds of Unix time
}

// A Client has the series of one client.
type Client struct {
	label, escaped string

	mu     sync.Mutex
	series []series // by key, so that a family's are together
	texts  [maxLabels]unique.Handle[string]
	// hasTexts means that the family of texts has a series.
	hasTexts bool
}

// Label returns the value of the label client.
func (c *Client) Label() string { return c.label }

// Add adds to a counter.
func (c *Client) Add(of int, n float64, v Values) { c.AddWithin(of, n, v, 0) }

// AddWithin adds to a counter, unless it is new and the family has most of them already:
// then it returns false. Zero for most means that there is no limit.
func (c *Client) AddWithin(of int, n float64, v Values, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := newKey(of, v)
	at, found := c.find(k)
	if !found {
		if first, end := c.family(of); most > 0 && end-first >= most {
			return false
		}
		c.series = insert(c.series, at, series{key: k, created: time.Now().UnixNano()})
	}
	c.series[at].value += n
	return true
}

// Forward shows a value in the only series of a gauge, if it is higher than the one that is
// shown. The series has the labels of this value from then on.
func (c *Client) Forward(of int, value float64, v Values) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, end := c.family(of)
	if first == end {
		c.series = insert(c.series, first, series{})
	} else if value <= c.series[first].value {
		return
	}
	c.series[first] = series{key: newKey(of, v), value: value}
}

// Describe shows texts in the only series of the family of texts. The value is always 1.
func (c *Client) Describe(texts [maxLabels]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hasTexts = true
	for i, s := range texts {
		c.texts[i] = unique.Make(s) // many clients have the same software
	}
}

// Texts returns what Describe has set; nothing if there is no such series.
func (c *Client) Texts() (texts [maxLabels]string, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.textsLocked()
}

func (c *Client) textsLocked() (texts [maxLabels]string, found bool) {
	if c.hasTexts {
		for i, h := range c.texts {
			texts[i] = h.Value()
		}
	}
	return texts, c.hasTexts
}

// AddCounters adds the counters of another client, which is in no table any more.
func (t *Table) AddCounters(to, from *Client) {
	from.mu.Lock()
	defer from.mu.Unlock()
	for _, s := range from.series {
		if of := s.key.family(); t.families[of].Kind == "counter" {
			to.Add(of, s.value, Values{s.key.value(0), s.key.value(1), s.key.value(2)})
		}
	}
}

// find returns where a series is, or where it belongs.
func (c *Client) find(k key) (int, bool) {
	return slices.BinarySearchFunc(c.series, k, func(s series, k key) int {
		switch {
		case s.key < k:
			return -1
		case s.key > k:
			return 1
		}
		return 0
	})
}

// family returns where the series of a family begin and end.
func (c *Client) family(of int) (first, end int) {
	first, _ = c.find(newKey(of, Values{}))
	end, _ = c.find(newKey(of+1, Values{}))
	return first, end
}

// insert inserts a series. Most clients have few, so the list grows by a few at a time.
func insert(list []series, at int, s series) []series {
	const step = 4
	if len(list) == cap(list) {
		list = append(make([]series, 0, len(list)+max(step, len(list)/4)), list...)
	}
	return slices.Insert(list, at, s)
}

// rows appends the series of a family.
func (c *Client) rows(rows []row, of int, isText bool, rank int) []row {
	c.mu.Lock()
	defer c.mu.Unlock()
	if isText {
		if texts, found := c.textsLocked(); found {
			rows = append(rows, row{client: c, rank: rank, texts: &texts, series: series{value: 1}})
		}
		return rows
	}
	first, end := c.family(of)
	for _, s := range c.series[first:end] {
		rows = append(rows, row{client: c, rank: rank, series: s})
	}
	return rows
}
