package dialogue

import (
	"math/rand"
	"reflect"
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

// heldBy collects all text in a value, and in what it points to, with what is left in
// the free part of slices.
func heldBy(v reflect.Value) (text string) {
	switch v.Kind() {
	case reflect.String:
		return v.String() + "\n"
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && !strings.HasPrefix(v.Type().String(), "*regexp") {
			text = heldBy(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			text += heldBy(v.Field(i))
		}
	case reflect.Map:
		for all := v.MapRange(); all.Next(); {
			text += heldBy(all.Key()) + heldBy(all.Value())
		}
	case reflect.Slice:
		v = v.Slice(0, v.Cap())
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			if item := v.Index(i); item.Kind() == reflect.Uint8 {
				text += string(rune(item.Uint()))
			} else {
				text += heldBy(item)
			}
		}
		text += "\n"
	}
	return text
}

// Whatever a client says, also in another protocol than that of the port, no word of it
// is held after the end of its line, or once the session is not understood.
func TestHoldsNoWords(t *testing.T) {
	t.Parallel()
	for _, p := range []record.Protocol{record.ProtocolSMTP, record.ProtocolIMAP, record.ProtocolPOP3} {
		for name, text := range map[string]string{
			"alone":           "C: SESAME",
			"after a verb":    "C: PASS SESAME\nC: USER SESAME",
			"a tag":           "C: SESAME NOOP",
			"a tag and verb":  "C: SESAME SESAME SESAME",
			"signing in":      "C: a LOGIN SESAME SESAME\nC: AUTH PLAIN SESAME\nC: AUTH LOGIN|SESAME",
			"HTTP":            "C: GET /SESAME HTTP/1.1|Authorization: SESAME|",
			"a sender":        "C: MAIL FROM:<SESAME>|RCPT TO:<SESAME>\nS: 250 ok|450 4.2.1 no",
			"a lost session":  "S: hello\nC: SESAME|SESAME",
			"lost in a line":  "C: SESAM~\nS: hello",
			"lost in another": "C: a SESAME~\nS: b OK|hello",
		} {
			w := newWatcher(p, false)
			watch(w, script(text), func() int { return 3 })
			if held := heldBy(reflect.ValueOf(w)); strings.Contains(held, "SES") {
				t.Errorf("%s, %s: holds %q", p, name, held)
			}
		}
	}
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
