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
		v.Closed(lifted("192.0.2.7", time.Now()))
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
		for _, at := range []*time.Time{&c.FirstSeen, &c.LastSeen, &c.LastGood, &c.LastLifted} {
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
	for i := range 3000 {
		for d := range maxDestinations {
			r := lifted(numbered(i), noon.Add(time.Duration(i)*time.Second))
			r.Destination = fmt.Sprintf("%0240d-%d", i, d)
			v.Closed(r)
		}
	}
	running(v)()
	if len(store.text) > maxState {
		t.Errorf("the state has %d bytes", len(store.text))
	}
	again := New(Options{Store: store})
	all := again.Snapshot()
	if len(all) < 1000 || all[0].Client != v.Snapshot()[0].Client {
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
	f.Add(encode(v.Snapshot()))
	f.Add([]byte(`{"version":1,"clients":[{"client":"a","address":"::1%eth0","failure":{"reason":"\u0000"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		clients, err := decode(text, 100)
		if err != nil {
			return
		}
		v := New(Options{MaxClients: 50})
		v.restore(clients)
		for _, c := range v.Snapshot() {
			checkTexts(t, maxText, c.Client, c.Name, c.Host, string(c.Rule))
		}
		saved := encode(v.Snapshot())
		again, err := decode(saved, 100)
		if err != nil {
			t.Fatalf("what was saved cannot be read: %v\n%s", err, saved)
		}
		if len(again) != len(v.Snapshot()) {
			t.Errorf("%d clients, %d after saving them", len(v.Snapshot()), len(again))
		}
	})
}

func TestReverseDNS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := map[netip.Addr]int{}
		lookup := func(ctx context.Context, a netip.Addr) ([]string, error) {
			mu.Lock()
			asked[a]++
			mu.Unlock()
			if a == netip.MustParseAddr("192.0.2.9") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []string{"<b>.example.com.", "Printer-7.example.com.", strings.Repeat("a.", 200)}, nil
		}
		v := New(Options{Lookup: lookup})
		defer running(v)()
		for range 50 {
			for _, a := range []string{"192.0.2.7", "192.0.2.9"} {
				v.Closed(lifted(a, time.Now()))
			}
			v.Closed(refusedBy(record.ReasonClientNotAllowed, "203.0.113.5", time.Now()))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if c, _ := v.Client("192.0.2.7"); c.Host != "printer-7.example.com" {
			t.Errorf("the host is %q", c.Host)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(asked) != 2 || asked[netip.MustParseAddr("192.0.2.7")] != 1 || asked[netip.MustParseAddr("192.0.2.9")] != 1 {
			t.Errorf("asked %v", asked)
		}
	})
}

// A name server that does not answer delays nothing, and gets only a few questions
// at once.
func TestDeadNameServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		v := New(Options{Lookup: func(ctx context.Context, _ netip.Addr) ([]string, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			now--
			mu.Unlock()
			return nil, ctx.Err()
		}})
		stop := running(v)
		for i := range 5000 {
			v.Closed(lifted(numbered(i), time.Now()))
		}
		time.Sleep(time.Minute)
		stop()
		if most != maxLookups {
			t.Errorf("%d questions at once", most)
		}
	})
}

func TestHostName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		names []string
		want  string
	}{
		{nil, ""}, {[]string{""}, ""}, {[]string{"."}, ""}, {[]string{"a..b."}, ""},
		{[]string{"b.example.com.", "A.example.com."}, "a.example.com"},
		{[]string{"pr_1.lan"}, "pr_1.lan"}, {[]string{"a b.lan", "\x1b[2J.lan", "\u00e4.lan"}, ""},
		{[]string{strings.Repeat("a", 64) + ".lan"}, ""},
		{[]string{strings.Repeat("a.", 126) + "ab"}, ""},
	} {
		if got := hostName(test.names); got != test.want {
			t.Errorf("%q: got %q, want %q", test.names, got, test.want)
		}
	}
}

// A reader gets every connection once, and continues after a restart.
func TestFollowing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var seen []uint64
		var done sync.WaitGroup
		done.Go(func() {
			var after uint64 = 700 // of an earlier run
			for v.Wait(ctx, "", after) == nil {
				for _, c := range v.Recent("", after, 0) {
					after = c.Number
					seen = append(seen, after)
				}
			}
		})
		synctest.Wait()
		for range 300 {
			v.Closed(lifted("192.0.2.7", time.Now()))
		}
		synctest.Wait()
		cancel()
		done.Wait()
		for i, n := range seen {
			if n != uint64(i+1) {
				t.Fatalf("connection %d is followed by %d", i, n)
			}
		}
		if len(seen) != 300 {
			t.Errorf("%d connections were seen", len(seen))
		}
	})
}

// Who waits for one client is not answered at the connections of others.
func TestWaitForOneClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := New(Options{})
		began := time.Now()
		waited := make(chan error)
		go func() { waited <- v.Wait(t.Context(), numbered(1), 0) }()
		for range 5 {
			time.Sleep(time.Second)
			v.Closed(lifted(numbered(0), time.Now()))
			synctest.Wait()
		}
		select {
		case err := <-waited:
			t.Fatalf("the wait ended after %s with %v", time.Since(began), err)
		default:
		}
		v.Closed(lifted(numbered(1), time.Now()))
		if err := <-waited; err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("the wait ended after %s with %v", time.Since(began), err)
		}
		if err := v.Wait(t.Context(), numbered(1), 5); err != nil {
			t.Errorf("a connection that is there is waited for: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		if err := v.Wait(ctx, numbered(1), 6); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("the wait ended after %s with %v", time.Since(began), err)
		}
	})
}

func TestRecent(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	for i := range 30 {
		v.Closed(lifted(numbered(i%2), noon))
	}
	numbers := func(all []Connection) (n []uint64) {
		for _, c := range all {
			n = append(n, c.Number)
		}
		return n
	}
	for _, test := range []struct {
		client string
		after  uint64
		max    int
		want   string
	}{
		{"", 0, 3, "[28 29 30]"}, {"", 27, 0, "[28 29 30]"}, {"", 30, 0, "[]"}, {"", 31, 2, "[29 30]"},
		{numbered(0), 0, 2, "[27 29]"}, {numbered(1), 27, 5, "[28 30]"}, {"nobody", 0, 5, "[]"},
	} {
		if got := fmt.Sprint(numbers(v.Recent(test.client, test.after, test.max))); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}
