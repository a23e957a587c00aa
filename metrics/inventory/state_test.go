package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/metrics/burndown"
	"github.com/tlslift/tlslift/proxy/record"
)

// A memory is a store whose disk can be full.
type memory struct {
	mu    sync.Mutex
	text  []byte
	full  bool
	saves int
	aside [][]byte
}

func (m *memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.text == nil {
		return nil, fmt.Errorf("loading: %w", fs.ErrNotExist)
	}
	return m.text, nil
}

func (m *memory) Save(text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.full {
		return errors.New("no space left on device")
	}
	m.text = text
	return nil
}

func (m *memory) SetAside() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.aside, m.text = append(m.aside, m.text), nil
	return nil
}

// written returns how often it was written to.
func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saves
}

func (m *memory) setFull(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = full
}

// running runs an inventory until the returned function has stopped it.
func running(v *Inventory) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { v.Run(ctx) })
	return func() {
		cancel()
		done.Wait()
	}
}

func TestClientsOutliveARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		v := New(Options{Store: store})
		stop := running(v)
		printer := lifted("192.0.2.7", time.Now())
		printer.Mailbox, printer.Login = "scan@contoso.com", "copier1"
		v.Closed(printer)
		v.Closed(refusedBy(record.ReasonSSL3Only, "192.0.2.7", time.Now().Add(time.Hour)))
		v.Closed(refusedBy(record.ReasonClientNotAllowed, "2001:db8::1", time.Now()))
		stop()
		again := New(Options{Store: store})
		if got, want := again.Snapshot(), v.Snapshot(); len(got) != 2 || !reflect.DeepEqual(inUTC(got), inUTC(want)) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if store.saves != 1 || len(store.aside) != 0 {
			t.Errorf("%d saves, %d set aside", store.saves, len(store.aside))
		}
		running(again)()
		if store.saves != 1 {
			t.Error("what has not changed is saved again")
		}
	})
}

// inUTC takes the location out of times, which is not saved.
func inUTC(all []Client) []Client {
	for i := range all {
		c := &all[i]
		for _, at := range []*time.Time{&c.FirstSeen, &c.LastSeen, &c.LastGood, &c.LastLifted, &c.LastLegacy, &c.LastCapable, &c.LastAccepted,
			&c.LastSignIn} {
			*at = at.UTC()
		}
		if c.Failure != nil {
			c.Failure.At = c.Failure.At.UTC()
		}
	}
	return all
}

// A new client is saved within seconds, every other change within a minute.
func TestWhenItIsSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		v := New(Options{Store: store})
		defer running(v)()
		wait := func(d time.Duration) int {
			time.Sleep(d)
			synctest.Wait()
			store.mu.Lock()
			defer store.mu.Unlock()
			return store.saves
		}
		if n := wait(10 * time.Minute); n != 0 {
			t.Errorf("%d saves of nothing", n)
		}
		v.Closed(lifted("192.0.2.7", time.Now()))
		if n := wait(checkEvery); n != 1 {
			t.Errorf("%d saves after a new client", n)
		}
		v.Closed(lifted("192.0.2.7", time.Now()))
		if n := wait(checkEvery); n != 1 {
			t.Errorf("%d saves soon after a known client", n)
		}
		if n := wait(saveEvery); n != 2 {
			t.Errorf("%d saves after a minute", n)
		}
		if n := wait(10 * time.Minute); n != 2 {
			t.Errorf("%d saves without anything new", n)
		}
	})
}

// Clients that were never served cause no write, whether they connect, say who they are in a
// ClientHello, get a name from reverse DNS or expire, but are saved at the stop; large states
// are written the less often the larger they are.
func TestWritesOfTheStateAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		v := New(Options{Store: store, Expiry: time.Hour, Lookup: func(context.Context, netip.Addr) ([]string, error) {
			return []string{"host.example."}, nil
		}})
		stop := running(v)
		for i := range 200 {
			hello := refusedBy(record.ReasonDestinationNotAllowed, numbered(2000+i), time.Now())
			hello.OfferedVersion, hello.JA4 = "TLS 1.0", "t10d"
			v.Closed(hello)
			v.Closed(refusedBy(record.ReasonHelloTimeout, numbered(i), time.Now()))
			v.Closed(refusedBy(record.ReasonClientNotAllowed, numbered(1000+i), time.Now()))
			time.Sleep(saveEvery)
		}
		if store.written() != 0 {
			t.Errorf("strangers have caused %d writes", store.written())
		}
		stop()
		if store.written() != 1 || !bytes.Contains(store.text, []byte(numbered(2199))) {
			t.Errorf("%d writes at the stop, want one with what is known of strangers", store.written())
		}
		v = New(Options{Store: store})
		stop = running(v)
		for i := range defaultMaxClients {
			v.Closed(lifted(numbered(i), time.Now()))
		}
		time.Sleep(2 * checkEvery)
		before := store.written()
		const newcomers = 600
		for i := range newcomers {
			v.Closed(lifted(numbered(1<<20+i), time.Now()))
			time.Sleep(checkEvery)
		}
		writes := store.written() - before
		written, most := writes*len(store.text), int((newcomers*checkEvery).Seconds())*saveRate+len(store.text)
		if written == 0 || written > most {
			t.Errorf("%d newcomers have caused %d writes, %d bytes, want at most %d", newcomers, writes, written, most)
		}
		stop()
	})
}

// A client with a name is saved at once and kept in the file, also when it fails.
func TestNamedClientsAreSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		v := New(Options{Store: store, MaxClients: 10})
		stop := running(v)
		r := refusedBy(record.ReasonHelloTimeout, "192.0.2.7", time.Now())
		r.ClientName = "scanner"
		v.Closed(r)
		time.Sleep(2 * checkEvery)
		if store.written() != 1 {
			t.Errorf("%d writes", store.written())
		}
		time.Sleep(time.Hour)
		for i := range 20 {
			v.Closed(lifted(numbered(i), time.Now()))
		}
		stop()
		again := New(Options{Store: store, MaxClients: 10})
		if _, ok := again.Client("scanner"); !ok || len(again.Snapshot()) != 11 {
			t.Errorf("%d clients were kept, the named one: %v", len(again.Snapshot()), ok)
		}
	})
}

// A full disk is logged once, however long it is full, and nothing is lost.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := &memory{full: true}
		v := New(Options{Store: store, Log: slog.New(slog.NewTextHandler(&log, nil))})
		stop := running(v)
		for i := range 10 {
			v.Closed(lifted(numbered(i), time.Now()))
			time.Sleep(2 * saveEvery)
		}
		store.setFull(false)
		time.Sleep(2 * saveEvery)
		stop()
		if n := strings.Count(log.String(), "cannot be saved"); n != 1 || !strings.Contains(log.String(), "can be saved again") {
			t.Errorf("the log says %s", log.String())
		}
		if got := len(New(Options{Store: store}).Snapshot()); got != 10 {
			t.Errorf("%d clients were saved", got)
		}
		if store.saves < 10 || store.saves > 30 {
			t.Errorf("%d attempts", store.saves)
		}
	})
}

// A file that tlslift did not write is set aside, and nothing else happens.
func TestForeignFileIsSetAside(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", "torn" + string(make([]byte, 4096)), `{"version":2,"clients":[]}`, `{"clients":[]}`,
		`[]`, `{"version":1,"clients":[{"client":7}]}`, `{"version":1,"clients":[{"client":"a","outcomes":{"passed":-1}}]}`,
		`{"version":1,"clients":[]}{"version":1}`, strings.Repeat(" ", maxState+1)} {
		var log bytes.Buffer
		store := &memory{text: []byte(text)}
		v := New(Options{Store: store, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if len(v.Snapshot()) != 0 || len(store.aside) != 1 || !strings.Contains(log.String(), "set aside") {
			t.Errorf("%.40q: %d clients, %d set aside, log %s", text, len(v.Snapshot()), len(store.aside), log.String())
		}
		v.Closed(lifted("192.0.2.7", noon))
		running(v)()
		if got := len(New(Options{Store: store}).Snapshot()); got != 1 {
			t.Errorf("%.40q: %d clients after another run", text, got)
		}
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		v := New(Options{Expiry: 24 * time.Hour, Store: store})
		defer running(v)()
		v.Closed(lifted("192.0.2.7", time.Now()))
		v.Closed(lifted("192.0.2.8", time.Now()))
		time.Sleep(20 * time.Hour)
		v.Closed(lifted("192.0.2.8", time.Now()))
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		if all := v.Snapshot(); len(all) != 1 || all[0].Client != "192.0.2.8" {
			t.Errorf("got %+v", all)
		}
		time.Sleep(12 * time.Hour)
		if got := len(New(Options{Expiry: 24 * time.Hour, Store: store}).Snapshot()); got != 1 {
			t.Errorf("%d clients after a restart", got)
		}
		time.Sleep(3 * 24 * time.Hour)
		synctest.Wait()
		if got := len(v.Snapshot()); got != 0 {
			t.Errorf("%d clients are never forgotten", got)
		}
		v = New(Options{Store: store})
		v.Closed(lifted("192.0.2.7", time.Now()))
		defer running(v)()
		time.Sleep(5 * 24 * time.Hour)
		if got := len(v.Snapshot()); got != 1 {
			t.Error("a client expires though none should")
		}
	})
}

// Clients are saved up to the limit, those seen last first.
func TestStateIsBounded(t *testing.T) {
	t.Parallel()
	store := &memory{}
	v := New(Options{Store: store})
	for i := range 2000 {
		for d := range maxDestinations {
			r := lifted(numbered(i), noon.Add(time.Duration(i)*time.Second))
			r.Destination = fmt.Sprintf("%0240d-%d", i, d)
			v.Closed(r)
		}
	}
	running(v)()
	if n := len(store.text); n > maxState || n < maxState*9/10 {
		t.Errorf("the state has %d bytes", n)
	}
	again := New(Options{Store: store})
	all := again.Snapshot()
	if len(all) < 1000 || len(all) == len(v.Snapshot()) || all[0].Client != v.Snapshot()[0].Client {
		t.Errorf("%d clients are left", len(all))
	}
}

// An ordinary state of ten thousand clients is saved whole.
func TestStateOfManyClients(t *testing.T) {
	t.Parallel()
	store := &memory{}
	v := New(Options{Store: store})
	for i := range defaultMaxClients {
		r := lifted(numbered(i), noon)
		r.JA3, r.JA4 = strings.Repeat("0", 32), strings.Repeat("0", 36)
		v.Closed(r)
	}
	running(v)()
	t.Logf("%d bytes", len(store.text))
	if got := len(New(Options{Store: store}).Snapshot()); got != defaultMaxClients {
		t.Errorf("%d clients are left", got)
	}
}

func FuzzDecode(f *testing.F) {
	v := New(Options{})
	v.Closed(lifted("192.0.2.7", noon))
	v.Closed(refusedBy(record.ReasonSSL3Only, "2001:db8::1", noon))
	f.Add(StateOf(v).Encode())
	f.Add([]byte(`{"version":1,"days":[["2026-03-02",1,-1],["2026-03-02",5,5],[]],` +
		`"clients":[{"client":"a","address":"::1","mail_pause_seconds":-5}]}`))
	f.Add([]byte(`{"version":1,"clients":[{"client":"a","address":"::1%eth0","failure":{"reason":"\u0000"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		read, err := decode(text, 100)
		if err != nil {
			return
		}
		v := New(Options{MaxClients: 50})
		v.restore(read.Clients)
		v.days = burndown.Of(read.Days, noon)
		for _, c := range v.Snapshot() {
			checkTexts(t, maxText, c.Client, c.Name, c.Host, string(c.Rule))
		}
		saved := StateOf(v).Encode()
		again, err := decode(saved, 100)
		if err != nil {
			t.Fatalf("what was saved cannot be read: %v\n%s", err, saved)
		}
		if len(again.Clients) != len(v.Snapshot()) || len(again.Days) != len(v.Days()) {
			t.Errorf("%d clients and %d days, %d and %d after saving them", len(v.Snapshot()), len(v.Days()), len(again.Clients), len(again.Days))
		}
	})
}

// A state of an earlier version says by its rule, or by its last problem, whether a
// client is legacy.
func TestLegacyInAnEarlierState(t *testing.T) {
	t.Parallel()
	const times = `"address":"192.0.2.1","last_seen":"2026-03-02T12:00:00Z"`
	read, err := decode([]byte(`{"version":1,"clients":[{"client":"a",`+times+`,"rule":"tls_version"},`+
		`{"client":"b",`+times+`,"rule":"capable"},{"client":"c",`+times+`,"failure":{"reason":"ssl2_only"}},{"client":"d",`+times+`}]}`), 10)
	clients := read.Clients
	if err != nil || len(clients) != 4 {
		t.Fatal(len(clients), err)
	}
	for i, want := range []bool{true, false, true, false} {
		if got := clients[i].Legacy(); got != want {
			t.Errorf("%s: %v", clients[i].Client, got)
		}
	}
}
