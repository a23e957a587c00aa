package inventory

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/tlslift/tlslift/proxy/record"
)

// A ring has the last connections, whatever its limit was before.
func TestRing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		r, model := ring{max: 1 + random.IntN(9)}, []uint64{}
		for number := range uint64(60) {
			if random.IntN(10) == 0 {
				r.max = 1 + random.IntN(9)
			}
			r.add(keptOf(&record.Record{}, common{}, "a"))
			r.at(r.len() - 1).number = number + 1
			model = append(model, number+1)
			model = model[max(0, len(model)-r.max):]
			after, limit := uint64(random.IntN(60)), random.IntN(5)
			var got, want []uint64
			for _, c := range r.since(after, limit) {
				got = append(got, c.Number)
			}
			for _, n := range model {
				if n > after {
					want = append(want, n)
				}
			}
			if limit > 0 {
				want = want[max(0, len(want)-limit):]
			}
			if !slices.Equal(got, want) {
				t.Fatalf("after %d, at most %d of %v: got %v, want %v", after, limit, model, got, want)
			}
		}
	}
}

// What is kept of a connection is all that is shown of it.
func TestConnectionIsShownAsItWas(t *testing.T) {
	t.Parallel()
	r := mailed(1, 2)
	r.Reason, r.Err, r.SMTPReply, r.Mailbox, r.Login = record.ReasonSMTPSendAsDenied, errors.New("no\x00"), "550 5.7.60", "m@x.com", "l"
	r.Original = netip.MustParseAddrPort("192.0.2.1:587")
	r.ClientTLS.Resumed, r.Duration = true, 1500*time.Millisecond
	v := New(Options{})
	v.Closed(r)
	want := Connection{
		Start: r.Start, Seconds: 1.5, Client: "fd00:0:0:1::", Address: apart(1), Listener: r.Listener, Protocol: "smtp",
		Destination: r.Destination, Original: "192.0.2.1:587", ServerName: r.ServerName, Offered: "TLS 1.0", Rule: record.RuleTLSVersion,
		Outcome: record.OutcomeLifted, Reason: r.Reason, Fault: r.Reason.Fault(), Cause: r.Reason.Cause(), Remedy: r.Reason.Remedy(),
		Detail: "no\uFFFD", ClientTLS: "TLS 1.0 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA resumed", UpstreamTLS: "TLS 1.3 TLS_AES_256_GCM_SHA384",
		Mailbox: "m@x.com", Login: "l", SMTPReply: "550 5.7.60", Accepted: 1, FromClient: 1000, ToClient: 100, Number: 1,
	}
	for _, of := range []string{"", want.Client} {
		if got := v.Recent(of, 0, 0); len(got) != 1 || got[0] != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	if none := v.Recent("", 1, 0); len(none) != 0 {
		t.Errorf("after it: %v", none)
	}
}

// Most of what a client takes are its connections: a larger one is a decision.
func TestKeptConnectionIsSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(kept{}); size > 128 {
		t.Errorf("a connection takes %d bytes", size)
	}
}
