package successor

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// anEvent has every field of a record that the successor needs.
func anEvent() Event {
	return Event{Counted: true, Record: &record.Record{
		Listener: "smtp://:587", Client: netip.MustParseAddr("192.0.2.1"), ClientName: "scanner",
		Start: time.Unix(1700000000, 0).UTC(), Duration: time.Second, Original: netip.MustParseAddrPort("192.0.2.2:25"),
		Protocol: record.ProtocolSMTP, Destination: "smtp.office365.com:587", OfferedVersion: "TLS 1.0", JA4: "j",
		Rule: record.RuleCapable, Outcome: record.OutcomeLifted, Reason: record.ReasonRelayBroken, Err: errors.New("it broke"),
		ClientTLS:   &record.Handshake{Version: "TLS 1.0", CipherSuite: "S", Resumed: true, Duration: time.Millisecond},
		SMTPReplies: []record.SMTPReply{{}}, Mailbox: "a@b.example", Accepted: 2, BytesFromClient: 3, BytesToClient: 4,
	}}
}

// What one process sends is what the other receives.
func TestEventsArrive(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	sent := newOutbox(ours)
	want := anEvent()
	for range 3 {
		line, err := want.encode()
		if err != nil {
			t.Fatal(err)
		}
		sent.put(line)
	}
	lost := make(chan int, 1)
	go func() { lost <- sent.close() }()
	var got []Event
	before := &Predecessor{theirs}
	if err := before.Receive(func(e Event) { got = append(got, e) }); err != nil {
		t.Error(err)
	}
	if n := <-lost; n != 0 || len(got) != 3 {
		t.Fatalf("%d events have arrived, %d are lost", len(got), n)
	}
	for _, e := range got {
		if e.Record.Err == nil || e.Record.Err.Error() != "it broke" {
			t.Errorf("the error is %v", e.Record.Err)
		}
		e.Record.Err = want.Record.Err
		if !reflect.DeepEqual(e, want) {
			t.Errorf("got  %+v\nwant %+v", e.Record, want.Record)
		}
	}
}

// A client that was forgotten is told as well, whatever it is called.
func TestForgottenArrives(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"192.0.2.1", "scanner \"2nd\"/floor\n"} {
		line, err := Event{Forgotten: key}.encode()
		if err != nil || strings.Count(string(line), "\n") != 1 {
			t.Fatalf("%q is sent as %q, %v", key, line, err)
		}
		if got, err := decode(line); err != nil || got.Forgotten != key || got.Record != nil {
			t.Errorf("%q arrives as %+v, %v", key, got, err)
		}
	}
}

// A successor that has ended loses events, which are counted, and nobody waits for it.
func TestEventsAreLost(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	o := newOutbox(ours)
	o.put([]byte("one\n"))
	<-o.done
	o.put([]byte("two\n"))
	if lost := o.close(); lost != 2 {
		t.Errorf("%d are lost, want 2", lost)
	}
	large := newOutbox(ours)
	large.put(make([]byte, maxWaiting+1))
	if lost := large.close(); lost != 1 {
		t.Errorf("%d are lost of those that are too many", lost)
	}
}

// A nil Predecessor is none.
func TestNoPredecessor(t *testing.T) {
	t.Parallel()
	var none *Predecessor
	if err := errors.Join(none.Ready(), none.Receive(nil)); err != nil {
		t.Error(err)
	}
	none.Close()
	for _, text := range []string{"x", "1", "-4"} {
		if _, err := Of(map[string]string{envFD: text}); err == nil && Signal > 0 {
			t.Errorf("%q is a descriptor", text)
		}
	}
}

// Receive reports what is no event, and ends with Close.
func TestReceive(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"no JSON\n", strings.Repeat("x", maxEvent+1)} {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = io.WriteString(ours, text)
			_ = ours.Close()
		}()
		before := &Predecessor{theirs}
		if err := before.Receive(func(Event) { t.Error("received an event") }); err == nil {
			t.Errorf("%.20q is an event", text)
		}
		before.Close()
	}
	_, theirs := net.Pipe()
	before := &Predecessor{theirs}
	before.Close()
	_ = before.Receive(func(Event) { t.Error("received an event") })
}

// An event that cannot be read, as one of another version, takes no other with it.
func TestReceiveOfAnotherVersion(t *testing.T) {
	t.Parallel()
	line, err := anEvent().encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, unknown := range []string{"no JSON\n", `{"Start":"yesterday"}` + "\n", `{"Client":{"Address":"192.0.2.1"}}` + "\n"} {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = io.WriteString(ours, unknown+string(line)+unknown+string(line))
			_ = ours.Close()
		}()
		received := 0
		before := &Predecessor{theirs}
		err := before.Receive(func(Event) { received++ })
		if received != 2 || err == nil || !strings.HasPrefix(err.Error(), "2 events, the first: reading an event: ") {
			t.Errorf("%q: %d of 2 events are received, and the error is %v", unknown, received, err)
		}
		before.Close()
	}
}

// Whatever arrives, decode takes it or not, and never fails otherwise.
func FuzzDecode(f *testing.F) {
	line, err := anEvent().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"Counted":1}`))
	f.Add([]byte(`{"Forgotten":"scanner"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := decode(text)
		if err != nil {
			return
		}
		again, err := e.encode()
		if err != nil {
			return // a time beyond the year 9999
		}
		if back, err := decode(again); err != nil || back.Counted != e.Counted || back.Forgotten != e.Forgotten ||
			e.Record != nil && !slices.Equal(back.Record.SMTPReplies, e.Record.SMTPReplies) {
			t.Errorf("%q becomes %q: %v", text, again, err)
		}
	})
}
