package clientseries

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// maxLabels is how many labels a family has after the first, which is the client.
const maxLabels = 3

// A Family is a metric that has series for each client.
type Family struct {
	// Name is its full name. A family without a name has no series.
	Name string
	Help string
	// Kind is counter or gauge.
	Kind string
	// Labels are its labels in the order in which their values are given. The first is
	// that of the client; there are at most three more.
	Labels []string
	// IsText means that the values of the labels are texts that Describe sets, and not
	// values of a small set. One family at most is of this kind.
	IsText bool
}

// A Table has the series of all clients. Its methods may be called from many goroutines
// at once.
type Table struct {
	families []family
	values   values

	mu      sync.RWMutex
	clients map[string]*Client
	sorted  []*Client // by label; nil when clients have come since
}

// New returns a table without clients. A family is known by its index.
func New(families []Family) *Table {
	t := &Table{clients: map[string]*Client{}}
	t.values.of = map[string]Value{}
	t.Value("other") // the value of all texts above the limit
	for _, f := range families {
		t.families = append(t.families, newFamily(f))
	}
	return t
}

// A family is a Family as it is written.
type family struct {
	Family
	// order has the indices of the labels in the order of their names, which is that of
	// the text.
	order []int
	// pieces are what is written before each label's value, and after the last.
	pieces []string
}

func newFamily(f Family) family {
	made := family{Family: f}
	if f.Name == "" {
		return made
	}
	for i := range f.Labels {
		made.order = append(made.order, i)
	}
	slices.SortFunc(made.order, func(a, b int) int { return strings.Compare(f.Labels[a], f.Labels[b]) })
	before := f.Name + "{"
	for _, i := range made.order {
		made.pieces = append(made.pieces, before+f.Labels[i]+`="`)
		before = `",`
	}
	made.pieces = append(made.pieces, `"} `)
	return made
}

// Client returns the client that has this value of the label client, and adds it if it is
// new.
func (t *Table) Client(label string) *Client {
	t.mu.RLock()
	c := t.clients[label]
	t.mu.RUnlock()
	if c != nil {
		return c
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c = t.clients[label]; c == nil {
		c = &Client{label: label, escaped: escaped(label)}
		t.clients[label] = c
		t.sorted = nil
	}
	return c
}

// Remove removes the series of a client, and returns them; nil if it has none.
func (t *Table) Remove(label string) *Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.clients[label]
	if c != nil {
		delete(t.clients, label)
		t.sorted = nil
	}
	return c
}

// all returns the clients by their labels. Nobody may change the list.
func (t *Table) all() []*Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sorted == nil {
		t.sorted = make([]*Client, 0, len(t.clients))
		for _, c := range t.clients {
			t.sorted = append(t.sorted, c)
		}
		slices.SortFunc(t.sorted, func(a, b *Client) int { return strings.Compare(a.label, b.label) })
	}
	return t.sorted
}

// A Sample is one series as it is shown.
type Sample struct {
	// Labels are the values of the labels, in the order of the family's.
	Labels [1 + maxLabels]string
	Value  float64
	// Created is when a counter began, in nanoseconds of Unix time.
	Created int64
}

// Each calls do with all series of a family, in the order of the text. The sample is
// another one afterwards.
func (t *Table) Each(of int, do func(*Sample)) {
	f := &t.families[of]
	var s Sample
	t.walk(of, func(r *row, known snapshot) {
		s.Labels[0], s.Value, s.Created = r.client.label, r.value, r.created
		for i := range f.Labels[1:] {
			if f.IsText {
				s.Labels[1+i] = r.texts[i]
			} else {
				s.Labels[1+i] = known.texts[r.key.value(i)]
			}
		}
		do(&s)
	})
}

// A row is a series of a client.
type row struct {
	series
	client *Client
	rank   int                // of the client, by its label
	texts  *[maxLabels]string // of a family of texts
}

// walk calls do with all series of a family, in the order of their labels. Sorting all of
// them at once would take longest of all: those of one client are sorted, and what comes
// before the client in the order has few values.
func (t *Table) walk(of int, do func(*row, snapshot)) {
	f := &t.families[of]
	before := map[Value][]row{} // by the value of the label before the client
	var rows []row
	var known snapshot
	sorted := func() []row {
		known = t.values.snapshot() // after the rows: it has all their values
		slices.SortFunc(rows, func(a, b row) int { return f.compare(&a, &b, known.ranks) })
		return rows
	}
	for rank, c := range t.all() {
		rows = c.rows(rows, of, f.IsText, rank)
		switch {
		case f.IsText || len(rows) == 0:
			continue
		case f.order[0] == 0:
			each(sorted(), known, do)
		default:
			for _, r := range sorted() {
				first := r.key.value(f.order[0] - 1)
				before[first] = append(before[first], r)
			}
		}
		rows = rows[:0]
	}
	each(sorted(), known, do) // the texts
	firsts := slices.SortedFunc(maps.Keys(before), func(a, b Value) int { return int(known.ranks[a]) - int(known.ranks[b]) })
	for _, first := range firsts {
		each(before[first], known, do)
	}
}

func each(rows []row, known snapshot, do func(*row, snapshot)) {
	for i := range rows {
		do(&rows[i], known)
	}
}

// compare compares two series by their labels, in the order of the text.
func (f *family) compare(a, b *row, ranks []Value) int {
	for _, i := range f.order {
		order := 0
		switch {
		case i == 0:
			order = a.rank - b.rank
		case f.IsText:
			order = strings.Compare(a.texts[i-1], b.texts[i-1])
		default:
			order = int(ranks[a.key.value(i-1)]) - int(ranks[b.key.value(i-1)])
		}
		if order != 0 {
			return order
		}
	}
	return 0
}
