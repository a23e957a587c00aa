package logging

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// window is how long repeats of a line are counted before they are told of.
	window = 30 * time.Second
	// maxKinds is how many kinds of lines are told apart. Clients outside of the client
	// networks have at most a quarter of that, those without a name three quarters, so
	// that they cannot take the room of the others. What does not fit is merged by its
	// reason alone.
	maxKinds = 2048
	// maxKindsPerClient is how many kinds of lines of one client are told apart: a client
	// may choose the destination. What does not fit is merged by client and reason.
	maxKindsPerClient = 16
	// connectionMessage is the message of the line of a connection (package proxy).
	connectionMessage = "connection"
	// repeatedMessage is the message of a line that tells of repeats.
	repeatedMessage = "connection repeated"
)

// Repeats is a slog.Handler that merges lines of connections with a reason. The first of a
// kind is written at once; those that follow within a time are counted, and one line with
// the fields of the last says how many they were. Other lines are written as they are.
type Repeats struct {
	out slog.Handler

	mu      sync.Mutex
	kinds   map[kind]*repeat
	clients map[client]int // how many kinds of lines each has
}

// A client is whose lines are merged: a name in the clients file, or else an IPv4
// address or an IPv6 network of 64 bits. It is zero for all those that do not fit.
type client struct {
	name    string
	network netip.Prefix
}

// A kind is what is the same in lines that are merged. Listener and destination are
// empty for those that do not fit.
type kind struct {
	client                        client
	reason, listener, destination string
}

// A repeat is what is known of the lines of one kind.
type repeat struct {
	since time.Time   // the beginning of the time in which they are counted
	times uint64      // how many were not written
	last  slog.Record // the last of them
}

func newRepeats(out slog.Handler) *Repeats {
	return &Repeats{out: out, kinds: map[kind]*repeat{}, clients: map[client]int{}}
}

// Enabled implements slog.Handler.
func (r *Repeats) Enabled(ctx context.Context, level slog.Level) bool {
	return r.out.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler. The line of a connection has no attributes of a
// logger, so other lines are written as they are.
func (r *Repeats) WithAttrs(attrs []slog.Attr) slog.Handler { return r.out.WithAttrs(attrs) }

// WithGroup implements slog.Handler, in the same way.
func (r *Repeats) WithGroup(name string) slog.Handler { return r.out.WithGroup(name) }

// Handle implements slog.Handler.
func (r *Repeats) Handle(ctx context.Context, line slog.Record) error {
	if line.Message == connectionMessage && !r.out.Enabled(ctx, slog.LevelDebug) {
		if k := kindOf(line); k.reason != "" && r.isRepeated(k, line) {
			return nil
		}
	}
	return r.out.Handle(ctx, line)
}

// Run tells of repeats when their time is over, until ctx is done; then it tells of all.
func (r *Repeats) Run(ctx context.Context) {
	tick := time.NewTicker(window / 6)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			r.tell(now.Add(-window))
		case <-ctx.Done():
			r.Flush()
			return
		}
	}
}

// Flush tells of all repeats so far.
func (r *Repeats) Flush() { r.tell(time.Now()) }

// kindOf returns the kind of a line of a connection; its reason is empty if nothing went
// wrong.
func kindOf(line slog.Record) kind {
	var k kind
	var address string
	line.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case record.FieldClient:
			address = a.Value.String()
		case record.FieldClientName:
			k.client.name = a.Value.String()
		case record.FieldReason:
			k.reason = a.Value.String()
		case record.FieldListener:
			k.listener = a.Value.String()
		case record.FieldDestination:
			k.destination = a.Value.String()
		}
		return true
	})
	if k.reason != "" && k.client.name == "" {
		k.client.network = networkOf(address)
	}
	return k
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// networkOf returns the network whose addresses count as one client; zero if there is no
// address.
func networkOf(address string) netip.Prefix {
	addr, err := netip.ParseAddr(address)
	addr = addr.Unmap()
	switch {
	case err != nil:
		return netip.Prefix{}
	case loopback.Contains(addr):
		return loopback
	case addr.Is4():
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked()
}

// isRepeated reports whether a line of a kind was written shortly before, and counts the
// line then.
func (r *Repeats) isRepeated(k kind, line slog.Record) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.kinds[k]
	if known == nil && r.clients[k.client] >= maxKindsPerClient {
		k.listener, k.destination = "", ""
		known = r.kinds[k]
	}
	if known == nil && len(r.kinds) >= room(k) {
		k = kind{reason: k.reason}
		known = r.kinds[k]
	}
	if known == nil {
		r.kinds[k] = &repeat{since: line.Time}
		r.clients[k.client]++
		return false
	}
	known.times++
	known.last = line.Clone()
	return true
}

// room returns how many kinds may be known for one more to have a place.
func room(k kind) int {
	switch {
	case k.reason == string(record.ReasonClientNotAllowed):
		return maxKinds / 4
	case k.client.name == "":
		return maxKinds / 4 * 3
	}
	return maxKinds
}

// tell writes a line for each kind that was counted since a time or before, and forgets
// those kinds of which there was none.
func (r *Repeats) tell(until time.Time) {
	lines := r.due(until)
	slices.SortFunc(lines, func(a, b slog.Record) int { return a.Time.Compare(b.Time) })
	now := time.Now()
	for _, line := range lines {
		line.Time = now
		_ = r.out.Handle(context.Background(), line) // to a Writer, which never fails
	}
}

// due returns these lines, and begins to count anew.
func (r *Repeats) due(until time.Time) []slog.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []slog.Record
	now := time.Now()
	for k, known := range r.kinds {
		switch {
		case known.since.After(until):
		case known.times == 0:
			delete(r.kinds, k)
			if r.clients[k.client]--; r.clients[k.client] == 0 {
				delete(r.clients, k.client)
			}
		default:
			lines = append(lines, known.line(k))
			*known = repeat{since: now}
		}
	}
	return lines
}

// line returns the line that tells of repeats: the last of them, and how many they were.
// It has the time of the last.
func (n *repeat) line(k kind) slog.Record {
	line := slog.NewRecord(n.last.Time, n.last.Level, repeatedMessage, 0)
	line.AddAttrs(slog.Uint64(record.FieldTimes, n.times))
	n.last.Attrs(func(a slog.Attr) bool {
		switch {
		case k.client != (client{}):
			line.AddAttrs(a)
		case a.Key == record.FieldClient:
			line.AddAttrs(slog.String(a.Key, "other"))
		case a.Key != record.FieldClientName:
			line.AddAttrs(a)
		}
		return true
	})
	return line
}
