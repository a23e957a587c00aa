package soak

import (
	"encoding/gob"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A ledger has what is right of all connections together.
type ledger struct {
	failures atomic.Int64

	mu sync.Mutex
	sheets
}

// The sheets of a ledger can be put into a file.
type sheets struct {
	Series  map[string]float64 // of the metrics
	Ends    map[string]*tally
	Known   map[string]int // of knownWrong
	Clients map[string]*clientTotals
}

// clientTotals are what the inventory has to have of a client.
type clientTotals struct {
	Outcomes           map[record.Outcome]uint64
	Accepted, From, To uint64
	FailedInSession    uint64
}

// A tally counts the connections of one kind of end.
type tally struct {
	Connections    int
	Accepted, Lost int // mails
	Unseen         int // of the lost ones: in TLS that was passed
	Colours        map[colour]int
	Reasons        map[string]int
}

func newLedger() *ledger { return &ledger{sheets: newSheets()} }

func newSheets() sheets {
	return sheets{
		Series: map[string]float64{}, Ends: map[string]*tally{}, Known: map[string]int{}, Clients: map[string]*clientTotals{},
	}
}

// liveMemory returns the size of what is reachable in the heap, without the sheets.
func (l *ledger) liveMemory(t *testing.T) uint64 {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	name := filepath.Join(t.TempDir(), "sheets")
	file, err := os.Create(name)
	must(t, err)
	must(t, gob.NewEncoder(file).Encode(l.sheets))
	must(t, file.Close())
	l.sheets = newSheets()
	size := liveMemory()
	file, err = os.Open(name)
	must(t, err)
	must(t, gob.NewDecoder(file).Decode(&l.sheets))
	must(t, file.Close())
	return size
}

// isHopeless reports whether there is no use in going on.
func (l *ledger) isHopeless() bool { return l.failures.Load() > maxFailures }

// add counts a connection.
func (l *ledger) add(c *client, t truth, r *record.Record, known string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.Ends[c.plan.end()]
	if end == nil {
		end = &tally{Colours: map[colour]int{}, Reasons: map[string]int{}}
		l.Ends[c.plan.end()] = end
	}
	end.Connections++
	end.Accepted += t.accepted
	end.Lost += t.lost
	if r.Outcome == record.OutcomePassed {
		end.Unseen += t.lost
	}
	end.Colours[t.colour]++
	if known != "" {
		l.Known[known]++
	}
	if c.plan.kind == healthCheck {
		end.Reasons["no event"]++
		return
	}
	name := string(r.Outcome)
	if r.Reason != "" {
		name += " " + string(r.Reason)
	}
	end.Reasons[name]++
	l.count(c.key(), t, r)
}

// count adds a connection to what the series and the inventory have to have.
func (l *ledger) count(key string, t truth, r *record.Record) {
	series := func(name string, value float64, labels ...string) {
		l.Series[fmt.Sprintf("tlslift_%s{%s}", name, strings.Join(labels, ","))] += value
	}
	label := func(name, value string) string { return fmt.Sprintf("%s=%q", name, value) }
	series("connections_total", 1, label("listener", r.Listener), label("outcome", string(r.Outcome)))
	series("client_connections_total", 1, label("client", key), label("outcome", string(r.Outcome)),
		label("protocol", string(r.Protocol)), label("tls_version", r.OfferedVersion))
	if r.Reason != "" {
		series("client_failures_total", 1, label("client", key), label("failing", strconv.FormatBool(r.Failing())),
			label("reason", string(r.Reason)))
	}
	if r.Outcome == record.OutcomeLifted && r.Protocol == record.ProtocolSMTP {
		series("client_accepted_messages_total", float64(t.accepted), label("client", key))
	}
	if r.Reason.Fault() == record.FaultDestination {
		series("upstream_failures_total", 1, label("destination", r.Destination), label("reason", string(r.Reason)))
	}
	of := l.Clients[key]
	if of == nil {
		of = &clientTotals{Outcomes: map[record.Outcome]uint64{}}
		l.Clients[key] = of
	}
	of.Outcomes[r.Outcome]++
	of.Accepted += uint64(t.accepted)
	of.From += uint64(r.BytesFromClient)
	of.To += uint64(r.BytesToClient)
	if r.Failing() && (r.Outcome == record.OutcomePassed || r.Outcome == record.OutcomeLifted) {
		of.FailedInSession++
	}
}

// compare compares the totals.
func (l *ledger) compare(t *testing.T, w *world) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.compareSeries(t, w)
	clients := w.inventory.Snapshot()
	if len(clients) != len(l.Clients) {
		t.Errorf("the inventory has %d clients, the ledger %d", len(clients), len(l.Clients))
	}
	for i := range clients {
		have, want := &clients[i], l.Clients[clients[i].Client]
		if want == nil {
			t.Errorf("the inventory has %s, the ledger has not", have.Client)
			continue
		}
		if !maps.Equal(have.Outcomes, want.Outcomes) || have.Accepted != want.Accepted || have.FailedInSession != want.FailedInSession ||
			have.BytesFromClient != want.From || have.BytesToClient != want.To {
			t.Errorf("the inventory has %+v, the ledger %+v", have, want)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open != 0 || len(w.waiting) != 0 || len(w.records) != 0 {
		t.Errorf("%d connections are open, %d are not logged", w.open, len(w.records))
	}
}

// A client has a bounded number of series of a kind. What is above that is counted, of its
// connections, with other in the place of all labels but client and outcome; of its
// failures, with other in the place of the client.
var (
	connectionsOf = regexp.MustCompile(`^(tlslift_client_connections_total\{client="[^"]*",)(outcome="[^"]*")?`)
	failuresOf    = regexp.MustCompile(`^(tlslift_client_failures_total\{client=")[^"]*(",)`)
)

// maxOfClient is that number.
const maxOfClient = 16

// fold returns series with those of each client that may have too many of a kind added up.
func fold(series, have map[string]float64) map[string]float64 {
	folded, names := map[string]float64{}, slices.Sorted(maps.Keys(have))
	for name, value := range series {
		if m := connectionsOf.FindStringSubmatch(name); m != nil && countOf(names, m[1]) >= maxOfClient {
			name = m[0]
		}
		if m := failuresOf.FindStringSubmatch(name); m != nil && countOf(names, m[0]) >= maxOfClient {
			name = m[1] + "other" + m[2] + name[len(m[0]):]
		}
		folded[name] += value
	}
	return folded
}

// countOf returns how many of some sorted names begin like that.
func countOf(names []string, begin string) int {
	n := 0
	for first, _ := slices.BinarySearch(names, begin); first+n < len(names) && strings.HasPrefix(names[first+n], begin); n++ {
	}
	return n
}

// compareSeries compares the counters, series by series, and the times of successes
// and failures with the inventory's.
func (l *ledger) compareSeries(t *testing.T, w *world) {
	t.Helper()
	have := scrape(t, w)
	want := fold(l.Series, have)
	have = fold(have, have)
	counters := []string{
		"connections_total{", "client_connections_total{", "client_failures_total{", "client_accepted_messages_total{",
		"upstream_failures_total{",
	}
	for name, value := range have {
		switch {
		case strings.HasPrefix(name, "tlslift_connections_active{") && value != 0:
			t.Errorf("%s is %v", name, value)
		case slices.ContainsFunc(counters, func(c string) bool { return strings.HasPrefix(name, "tlslift_"+c) }) && value != want[name]:
			t.Errorf("%s is %v, in the ledger %v", name, value, want[name])
		}
	}
	for name, value := range want {
		if _, is := have[name]; !is {
			t.Errorf("there is no %s, in the ledger it is %v", name, value)
		}
	}
	for _, c := range w.inventory.Snapshot() {
		label := fmt.Sprintf("{client=%q", c.Client)
		near := func(name string, seconds float64, is bool) {
			if got, has := have[name]; has != is || is && (got-seconds > 1e-3 || seconds-got > 1e-3) {
				t.Errorf("%s is %f, in the inventory %f", name, got, seconds)
			}
		}
		near("tlslift_client_last_success_timestamp_seconds"+label+"}", float64(c.LastGood.UnixMicro())/1e6, !c.LastGood.IsZero())
		if c.Failure != nil {
			near(fmt.Sprintf("tlslift_client_last_failure_timestamp_seconds%s,reason=%q}", label, c.Failure.Reason),
				float64(c.Failure.At.UnixMicro())/1e6, true)
		}
	}
}

// scrape returns the series of /metrics by their names with labels.
func scrape(t *testing.T, w *world) map[string]float64 {
	t.Helper()
	answer := httptest.NewRecorder()
	w.metrics.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	series := map[string]float64{}
	for line := range strings.Lines(answer.Body.String()) {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		must(t, err)
		series[line[:at]] = value
	}
	return series
}

// String is a table of the connections by kind of end.
func (l *ledger) String() string {
	var b strings.Builder
	var sum tally
	b.WriteString("| kind of end | connections | mails accepted | mails lost | of them passed | right is | records |\n" +
		"|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(l.Ends)) {
		e := l.Ends[name]
		sum.Connections += e.Connections
		sum.Accepted += e.Accepted
		sum.Lost += e.Lost
		sum.Unseen += e.Unseen
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %s | %s |\n",
			name, e.Connections, e.Accepted, e.Lost, e.Unseen, counts(e.Colours), counts(e.Reasons))
	}
	fmt.Fprintf(&b, "| all | %d | %d | %d | %d | | |\n", sum.Connections, sum.Accepted, sum.Lost, sum.Unseen)
	for _, name := range slices.Sorted(maps.Keys(l.Known)) {
		fmt.Fprintf(&b, "known to be wrong: %s: %d\n", name, l.Known[name])
	}
	return b.String()
}

// counts writes a count of each.
func counts[K ~string](of map[K]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, of[name]))
	}
	return strings.Join(parts, ", ")
}
