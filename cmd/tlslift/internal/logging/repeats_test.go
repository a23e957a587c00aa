package logging

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

const (
	proxyListener = "proxy://:3128"
	office        = "outlook.office365.com:443"
)

// A log is a logger whose lines the test reads.
type log struct {
	*slog.Logger
	*Repeats
	out  *sink
	seen int
}

// inBubble runs a test with a log and a clock of its own.
func inBubble(t *testing.T, level slog.Level, test func(l *log)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		w := newWriter(out, maxPending, 0)
		l := &log{out: out}
		l.Logger, l.Repeats = New(w, Options{Level: level})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			l.Run(ctx)
			close(done)
		}()
		test(l)
		stop()
		<-done
		w.Close()
	})
}

// A failed is a connection that failed.
type failed struct {
	client, name, destination string
	reason                    record.Reason
}

func (l *log) connection(f failed) {
	rec := &record.Record{
		Listener: proxyListener, Client: netip.MustParseAddr(f.client), ClientName: f.name,
		Destination: f.destination, Reason: f.reason, Outcome: record.OutcomeFailed,
	}
	l.LogAttrs(context.Background(), rec.Level(), "connection", rec.Attrs()...)
}

// lines returns what was written since it was called last, shortened to message, times
// and client.
func (l *log) lines() []string {
	synctest.Wait()
	text := l.out.String()[l.seen:]
	l.seen += len(text)
	var short []string
	for line := range strings.Lines(text) {
		var fields []string
		for _, name := range []string{"msg=connection", "msg=\"connection repeated\"", "times=", "client=", "client_name="} {
			_, rest, found := strings.Cut(line, " "+name)
			if !found || name == "msg=connection" && !strings.HasPrefix(rest, " ") {
				continue
			}
			value, _, _ := strings.Cut(rest, " ")
			fields = append(fields, strings.TrimPrefix(name, "msg=")+value)
		}
		short = append(short, strings.Join(fields, " "))
	}
	return short
}

func (l *log) want(t *testing.T, want ...string) {
	t.Helper()
	if got := l.lines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRepeats(t *testing.T) {
	t.Parallel()
	inBubble(t, slog.LevelInfo, func(l *log) {
		printer := failed{client: "10.0.0.7", destination: office, reason: record.ReasonClientUnknownCA}
		for range 1000 {
			l.connection(printer)
		}
		l.want(t, "connection client=10.0.0.7") // at once, and once
		time.Sleep(window + window/6)
		l.want(t, `"connection repeated" times=999 client=10.0.0.7`)
		l.connection(printer) // it goes on
		l.connection(printer)
		l.want(t)
		time.Sleep(window + window/6)
		l.want(t, `"connection repeated" times=2 client=10.0.0.7`)
		time.Sleep(2 * window)
		l.connection(printer) // after a pause it is new
		l.want(t, "connection client=10.0.0.7")
	})
}

// TestRepeatsAtTheEnd: none is left out when the program ends.
func TestRepeatsAtTheEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, slog.LevelInfo, func(l *log) {
		l.connection(failed{client: "10.0.0.7", reason: record.ReasonHelloTimeout})
		l.connection(failed{client: "10.0.0.7", reason: record.ReasonHelloTimeout})
		l.want(t, "connection client=10.0.0.7")
		l.Flush()
		l.want(t, `"connection repeated" times=1 client=10.0.0.7`)
		l.Flush()
		l.want(t)
	})
}

// TestRepeatsKinds: what differs in something that matters is not merged.
func TestRepeatsKinds(t *testing.T) {
	t.Parallel()
	base := failed{client: "10.0.0.7", destination: office, reason: record.ReasonUpstreamTimeout}
	other := func(change func(f *failed)) failed {
		f := base
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		first, second failed
		merged        bool
	}{
		"the same":    {base, base, true},
		"client":      {base, other(func(f *failed) { f.client = "10.0.0.8" }), false},
		"reason":      {base, other(func(f *failed) { f.reason = record.ReasonUpstreamRefused }), false},
		"destination": {base, other(func(f *failed) { f.destination = "smtp.office365.com:587" }), false},
		"named, destination": {
			other(func(f *failed) { f.name = "hp-3" }),
			other(func(f *failed) { f.name, f.destination = "hp-3", "smtp.office365.com:587" }), false,
		},
		"name":        {base, other(func(f *failed) { f.name = "hp-3" }), false},
		"mapped IPv4": {base, other(func(f *failed) { f.client = "::ffff:10.0.0.7" }), true},
		"same /64":    {other(func(f *failed) { f.client = "2001:db8::1" }), other(func(f *failed) { f.client = "2001:db8::ffff" }), true},
		"other /64":   {other(func(f *failed) { f.client = "2001:db8::1" }), other(func(f *failed) { f.client = "2001:db8:0:1::1" }), false},
		"loopback":    {other(func(f *failed) { f.client = "127.0.0.1" }), other(func(f *failed) { f.client = "127.9.9.9" }), true},
		"named network": {
			other(func(f *failed) { f.name = "scanners" }),
			other(func(f *failed) { f.client, f.name = "10.0.0.8", "scanners" }), true,
		},
		"went well": {other(func(f *failed) { f.reason = "" }), other(func(f *failed) { f.reason = "" }), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, slog.LevelInfo, func(l *log) {
				l.connection(c.first)
				l.connection(c.second)
				if got := len(l.lines()) == 1; got != c.merged {
					t.Errorf("merged: %v", got)
				}
			})
		})
	}
}

// TestRepeatsOtherLines: lines that are not about a connection are never merged, and at
// level debug none is.
func TestRepeatsOtherLines(t *testing.T) {
	t.Parallel()
	inBubble(t, slog.LevelInfo, func(l *log) {
		for range 3 {
			l.Warn("accepting connection", record.FieldReason, "x", record.FieldClient, "10.0.0.7")
		}
		with := l.With("part", "x").WithGroup("group")
		with.Warn("accepting connection")
		with.Debug("not written")
		if got := len(l.lines()); got != 4 {
			t.Errorf("%d lines, want 4", got)
		}
	})
	inBubble(t, slog.LevelDebug, func(l *log) {
		for range 3 {
			l.connection(failed{client: "10.0.0.7", reason: record.ReasonHelloTimeout})
		}
		if got := len(l.lines()); got != 3 {
			t.Errorf("%d lines, want 3", got)
		}
	})
}

// TestRepeatsOneClientManyDestinations: a client that chooses its destinations has no
// more lines for that.
func TestRepeatsOneClientManyDestinations(t *testing.T) {
	t.Parallel()
	inBubble(t, slog.LevelInfo, func(l *log) {
		for i := range 5000 {
			l.connection(failed{
				client: "10.0.0.7", destination: fmt.Sprintf("a%d.sharepoint.com:443", i), reason: record.ReasonNameNotFound,
			})
		}
		if got := len(l.lines()); got != maxKindsPerClient+1 {
			t.Errorf("%d lines, want %d", got, maxKindsPerClient+1)
		}
		time.Sleep(window + window/6)
		l.want(t, `"connection repeated" times=`+strconv.Itoa(5000-maxKindsPerClient-1)+" client=10.0.0.7")
		time.Sleep(2 * window)
		l.want(t)
		if len(l.kinds) > 0 || len(l.clients) > 0 {
			t.Errorf("%d kinds and %d clients are kept", len(l.kinds), len(l.clients))
		}
	})
}

// TestRepeatsManyClients: strangers take no room of clients that are served, and those none
// of clients with a name.
func TestRepeatsManyClients(t *testing.T) {
	t.Parallel()
	inBubble(t, slog.LevelInfo, func(l *log) {
		flood := func(first byte, reason record.Reason) int {
			for i := range 5000 {
				addr := netip.AddrFrom4([4]byte{first, 0, byte(i >> 8), byte(i)})
				l.connection(failed{client: addr.String(), reason: reason})
			}
			return len(l.lines())
		}
		if got := flood(198, record.ReasonClientNotAllowed); got != maxKinds/4+1 {
			t.Errorf("%d lines of strangers, want %d", got, maxKinds/4+1)
		}
		if got := flood(10, record.ReasonHelloTimeout); got != maxKinds/2 {
			t.Errorf("%d lines of clients without a name, want %d", got, maxKinds/2)
		}
		for i := range 100 {
			l.connection(failed{client: "10.1.0.1", name: fmt.Sprintf("hp-%d", i), reason: record.ReasonHelloTimeout})
		}
		if got := len(l.lines()); got != 100 {
			t.Errorf("%d lines of clients with a name, want 100", got)
		}
		time.Sleep(window + window/6)
		// The clock stands still meanwhile: which of the two comes first is open.
		got := l.lines()
		slices.Sort(got)
		if want := []string{
			`"connection repeated" times=3976 client=other`, `"connection repeated" times=4487 client=other`,
		}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// The level may change: at debug each line is written, and later they are merged again.
func TestLevelChanges(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := newWriter(&out, maxPending, 0)
	var level slog.LevelVar
	log, repeats := New(w, Options{Level: &level, JSON: true})
	broken := func() { log.Info(connectionMessage, record.FieldClient, "192.0.2.1", record.FieldReason, "x") }
	for _, l := range []slog.Level{slog.LevelInfo, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		level.Set(l)
		for range 3 {
			broken()
		}
		log.Debug("detail")
	}
	repeats.Flush()
	w.Close()
	text := out.String()
	if lines, details := strings.Count(text, `"msg":"connection"`), strings.Count(text, `"detail"`); lines != 4 || details != 1 {
		t.Errorf("%d lines of connections and %d details, want 4 and 1:\n%s", lines, details, text)
	}
}
