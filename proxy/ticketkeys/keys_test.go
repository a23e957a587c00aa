package ticketkeys

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A clock is set by a test.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func noon() *clock { return &clock{time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

// A host is one that runs tlslift with ticket keys.
type host struct {
	*Keys
	clock *clock
	log   *bytes.Buffer
}

func openKeys(t *testing.T, path string, shared bool, c *clock) host {
	t.Helper()
	log := &bytes.Buffer{}
	keys, err := Open(Options{Path: path, Shared: shared, Log: slog.New(slog.NewTextHandler(log, nil)), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return host{keys, c, log}
}

func (h host) seal(t *testing.T) []byte {
	t.Helper()
	ticket, err := h.Seal([]byte("a session"))
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func (h host) opens(ticket []byte) bool { return string(h.Open(ticket)) == "a session" }

// A stolen CA key opened every ticket of ten years: now only the last two keys exist,
// and they are random.
func TestStolenBackupOpensTwoDays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ticket.keys")
	h := openKeys(t, path, false, noon())
	var tickets [][]byte
	for range 5 {
		tickets = append(tickets, h.seal(t))
		h.clock.Time = h.clock.Add(keyUse)
		h.refresh()
	}
	tickets = append(tickets, h.seal(t))
	thief := openKeys(t, path, false, h.clock)
	for i, ticket := range tickets {
		if got, want := thief.opens(ticket), i >= len(tickets)-keptKeys; got != want {
			t.Errorf("the ticket of day %d opens: %v", i, got)
		}
		if thief.opens(ticket) != h.opens(ticket) {
			t.Errorf("after a restart, the ticket of day %d opens: %v", i, thief.opens(ticket))
		}
	}
	other := openKeys(t, filepath.Join(t.TempDir(), "ticket.keys"), false, h.clock)
	if other.opens(tickets[5]) {
		t.Error("another tlslift has the same keys")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A process that was off for days begins with a new key; a clock that was set back
// does too, and the key of the future does not seal for ever.
func TestKeysAfterAPause(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{keyUse, 3 * keyUse, -3 * keyUse, 10 * 365 * keyUse} {
		path, c := filepath.Join(t.TempDir(), "ticket.keys"), noon()
		before := openKeys(t, path, false, c).seal(t)
		c.Time = c.Add(pause)
		h := openKeys(t, path, false, c)
		after := h.seal(t)
		if bytes.Equal(before[:nameLen], after[:nameLen]) {
			t.Errorf("after %v the same key seals", pause)
		}
		if got, want := h.opens(before), pause == keyUse; got != want {
			t.Errorf("after %v the old ticket opens: %v", pause, got)
		}
		if !openKeys(t, path, false, c).opens(after) {
			t.Errorf("after %v and a restart the new ticket does not open", pause)
		}
	}
}

// Replicas that share a file resume each other's sessions, also after a new key.
func TestReplicasShareAFile(t *testing.T) {
	t.Parallel()
	path, c := filepath.Join(t.TempDir(), "ticket.keys"), noon()
	one, two := openKeys(t, path, true, c), openKeys(t, path, true, c)
	for day := range 4 {
		a, b := one.seal(t), two.seal(t)
		if !two.opens(a) || !one.opens(b) {
			t.Errorf("day %d: the replicas do not open each other's tickets", day)
		}
		c.Time = c.Add(keyUse)
		one.refresh()
		two.refresh()
		if !two.opens(a) || !one.opens(b) {
			t.Errorf("day %d: the tickets of the day before do not open", day)
		}
	}
	if one.log.Len()+two.log.Len() > 0 {
		t.Errorf("logged %s%s", one.log, two.log)
	}
}

// Replicas that start at the same moment each make the file. After the next look they have
// the same keys: one that took the file of the other for its own kept another key for a day.
func TestReplicasStartTogether(t *testing.T) {
	t.Parallel()
	for range 40 {
		path, c := filepath.Join(t.TempDir(), "ticket.keys"), noon()
		replicas := make([]*Keys, 4)
		var starting sync.WaitGroup
		begin := make(chan struct{})
		for i := range replicas {
			starting.Go(func() {
				<-begin
				var err error
				if replicas[i], err = Open(Options{Path: path, Shared: true, Now: c.now}); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		if starting.Wait(); t.Failed() {
			return
		}
		var names []string
		for _, k := range replicas {
			k.refresh()
			names = append(names, fmt.Sprintf("%x", (*k.current.Load())[0].name))
		}
		if slices.Sort(names); names[0] != names[len(names)-1] {
			t.Fatalf("the replicas have the keys %v", names)
		}
	}
}

// Replicas whose keys differ say so, once; tickets of others and old ones say nothing.
func TestReplicasThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c := noon()
			h := openKeys(t, filepath.Join(t.TempDir(), "a"), shared, c)
			foreign := openKeys(t, filepath.Join(t.TempDir(), "b"), shared, c).seal(t)
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { h.Run(ctx) })
			old := append([]byte(nil), foreign...)
			old[len(mark)+1]--
			for _, b := range [][]byte{old, make([]byte, 200), foreign[:nameLen+nonceLen-1]} {
				if h.Open(b) != nil {
					t.Errorf("%x opens", b)
				}
				synctest.Wait()
			}
			if h.log.Len() > 0 {
				t.Errorf("logged %s", h.log)
			}
			for range 3 {
				if h.Open(foreign) != nil {
					t.Error("a foreign ticket opens")
				}
				synctest.Wait()
			}
			stop()
			running.Wait()
			if got := h.log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "TLSLIFT_TICKET_KEYS_FILE") {
				t.Errorf("shared=%v: logged %q", shared, got)
			}
		})
	}
}

// What is wrong with a shared file ends the start, and does not change the file. What
// A client can make tickets that look like those of a replica. They cause no write: keys
// that could not be saved are saved when it is time.
func TestForgedTicketWritesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, path := noon(), filepath.Join(t.TempDir(), "later", "ticket.keys")
		h := openKeys(t, path, false, c)
		foreign := openKeys(t, "", false, c).seal(t)
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { h.Run(ctx) })
		for range 3 {
			h.opens(foreign)
			synctest.Wait()
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("a ticket caused a write")
		}
		time.Sleep(lookEvery)
		synctest.Wait()
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		stop()
		running.Wait()
	})
}

// is wrong with one of tlslift alone is replaced.
func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("5a", secretLen)
	for name, test := range map[string]struct{ text, want string }{
		"empty":      {"", "there is no key"},
		"comments":   {header + "\n", "there is no key"},
		"no time":    {digits, "line 1 does not begin with a time"},
		"no key":     {header + "2026-11-24T12:00:00Z", "line 2 has no key of 64 hex digits"},
		"short":      {"2026-11-24T12:00:00Z " + digits[:62], "line 1 has no key"},
		"long":       {"2026-11-24T12:00:00Z " + digits + "00", "line 1 has no key"},
		"no digits":  {"2026-11-24T12:00:00Z " + strings.Repeat("xy", secretLen), "line 1 has no key"},
		"year 0":     {"0000-01-01T00:00:00Z " + digits, "line 1 does not begin with a time"},
		"many":       {strings.Repeat("2026-11-24T12:00:00Z "+digits+"\n", maxKeys+1), "there are more than 100 keys"},
		"large":      {strings.Repeat("#", maxFile+1), "has more than 65536 bytes"},
		"long line":  {strings.Repeat("#", maxFile), "a line is too long"},
		"other file": {"-----BEGIN PRIVATE KEY-----\n", "line 1 does not begin"},
	} {
		path := filepath.Join(t.TempDir(), "ticket.keys")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{Path: path, Shared: true, Now: noon().now})
		if err == nil || !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), test.want) ||
			strings.Contains(err.Error(), digits[:8]) {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != test.text {
			t.Errorf("%s: the shared file has changed", name)
		}
		h := openKeys(t, path, false, noon())
		if !strings.Contains(h.log.String(), test.want) || strings.Contains(h.log.String(), digits[:8]) {
			t.Errorf("%s: logged %q", name, h.log)
		}
		if !openKeys(t, path, false, noon()).opens(h.seal(t)) {
			t.Errorf("%s: a restart loses the keys", name)
		}
	}
}

// A shared file that tlslift cannot write, as a mounted secret, is used as it is. When its
// key gets old the log says so, and no key is used that the others do not have.
func TestSharedFileOfTheOperator(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Log("root can write everything; a file in a directory that is gone stands for one that cannot be written")
	}
	dir := filepath.Join(t.TempDir(), "mount")
	path, c := filepath.Join(dir, "ticket.keys"), noon()
	line := func(day int) string {
		digits := hex.EncodeToString(bytes.Repeat([]byte{byte(7 + day)}, secretLen))
		return fmt.Sprintf("%s %s\n", c.AddDate(0, 0, day).Format(time.RFC3339), digits)
	}
	write := func(text string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := line(0) + line(1)
	write(text)
	h := openKeys(t, path, true, c)
	first := h.seal(t)
	c.Time = c.Add(keyUse)
	h.refresh()
	second := h.seal(t)
	if bytes.Equal(first[:nameLen], second[:nameLen]) || !h.opens(first) || h.log.Len() > 0 {
		t.Errorf("the key that was written down for the second day does not seal; logged %q", h.log)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	c.Time = c.Add(keyUse)
	h.refresh()
	h.refresh()
	if third := h.seal(t); !bytes.Equal(third[:nameLen], second[:nameLen]) || strings.Count(h.log.String(), "\n") != 1 {
		t.Errorf("a key is used that is not in the file; logged %q", h.log)
	}
	write(strings.ReplaceAll(text, line(1), "") + strings.ReplaceAll(line(0), "07", "99"))
	h.refresh()
	if third := h.seal(t); bytes.Equal(third[:nameLen], second[:nameLen]) {
		t.Error("the new file is not used")
	}
}

// FuzzParse: a file has keys or is an error that quotes nothing of it; what is written
// is read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(header + "2026-11-24T12:00:00Z " + strings.Repeat("5a", secretLen) + "\n"))
	f.Add([]byte("2026-11-24T12:00:00+02:00  " + strings.Repeat("FF", secretLen)))
	f.Add([]byte("# nothing\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parse(text)
		if err != nil {
			return
		}
		again, err := parse(format(keys))
		if err != nil || len(again) != len(keys) || again[0].name != keys[0].name {
			t.Errorf("%d keys, then %d, %v", len(keys), len(again), err)
		}
	})
}

// FuzzOpen: only what was sealed opens.
func FuzzOpen(f *testing.F) {
	keys, err := Open(Options{Now: noon().now})
	if err != nil {
		f.Fatal(err)
	}
	ticket, err := keys.Seal([]byte("a session"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ticket)
	f.Add(ticket[:nameLen])
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain := keys.Open(b); plain != nil && !bytes.Equal(b, ticket) {
			t.Errorf("%x opens to %q", b, plain)
		}
	})
}
