package dialogue

import (
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A turn is what one peer says before the other answers.
type turn struct {
	by   side
	said string
}

// script reads turns: each line is what the client (C) or the destination (S) says; |
// stands for a CRLF. Lines end in CRLF unless they end in ~.
func script(text string) (turns []turn) {
	for line := range strings.Lines(text) {
		who, said, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if who == "" {
			continue
		}
		by := client
		if who == "S" {
			by = destination
		}
		said = strings.ReplaceAll(said, "|", "\r\n")
		said, open := strings.CutSuffix(said, "~")
		if !open {
			said += "\r\n"
		}
		turns = append(turns, turn{by, said})
	}
	return turns
}

// watch plays turns, each in pieces of a size.
func watch(w watcher, turns []turn, size func() int) {
	for _, turn := range turns {
		feed := w.fromClient
		if turn.by == destination {
			feed = w.fromDestination
		}
		for said := []byte(turn.said); len(said) > 0; {
			n := min(size(), len(said))
			feed(said[:n])
			said = said[n:]
		}
	}
}

func reasonOf(f Finding) record.Reason {
	if f.Failure == nil {
		return ""
	}
	return f.Failure.Reason
}

// find plays a script in pieces of each of some sizes, and makes sure that the finding
// is the same.
func find(t *testing.T, p record.Protocol, text string, e end) Finding {
	t.Helper()
	turns := script(text)
	var first Finding
	for i, size := range []int{1 << 20, 1, 2, 3, 5, 7} {
		w := newWatcher(p, false)
		watch(w, turns, func() int { return size })
		found := w.finding(e)
		if i == 0 {
			first = found
		}
		if reasonOf(found) != reasonOf(first) || found.Accepted != first.Accepted || !slices.Equal(found.Replies, first.Replies) {
			t.Errorf("in pieces of %d: %+v, whole: %+v", size, found, first)
		}
	}
	return first
}

// fuzzWatcher cuts both streams of a session anywhere.
func fuzzWatcher(f *testing.F, p record.Protocol, seeds ...string) {
	f.Helper()
	for i, seed := range seeds {
		f.Add([]byte(seed), int64(i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, text []byte, random int64, greeting bool) {
		turns := script(string(text))
		whole, cut := newWatcher(p, greeting), newWatcher(p, greeting)
		watch(whole, turns, func() int { return 1 << 30 })
		cuts := rand.New(rand.NewSource(random))
		watch(cut, turns, func() int { return 1 + cuts.Intn(20) })
		for _, e := range []end{
			{}, {first: client}, {first: client, failed: true}, {first: destination}, {first: destination, failed: true}, {idle: true},
		} {
			a, b := whole.finding(e), cut.finding(e)
			if reasonOf(a) != reasonOf(b) || a.Accepted != b.Accepted || a.Negative != b.Negative || !slices.Equal(a.Replies, b.Replies) {
				t.Errorf("%+v: whole %+v, cut %+v", e, a, b)
			}
		}
	})
}
