package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tlslift/tlslift/proxy/record"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// lifted returns the record of a printer that sends mail.
func lifted(addr string, start time.Time) *record.Record {
	return &record.Record{
		Listener: "smtp://192.0.2.1:587", Client: netip.MustParseAddr(addr),
		Start: start, Duration: 3 * time.Second, Protocol: "smtp",
		Destination: "smtp.office365.com:587", ServerName: "smtp.office365.com",
		OfferedVersion: "TLS 1.0", Rule: "tls_version", Outcome: record.OutcomeLifted,
		ClientTLS:       &record.Handshake{Version: "TLS 1.0", CipherSuite: "TLS_RSA_WITH_AES_128_CBC_SHA"},
		UpstreamTLS:     &record.Handshake{Version: "TLS 1.3", CipherSuite: "TLS_AES_128_GCM_SHA256"},
		BytesFromClient: 1000, BytesToClient: 100,
	}
}

// refusedBy returns the record of a client that was refused.
func refusedBy(reason record.Reason, addr string, start time.Time) *record.Record {
	return &record.Record{
		Listener: "smtp://192.0.2.1:587", Client: netip.MustParseAddr(addr), Start: start,
		Protocol: "unknown", OfferedVersion: "none",
		Outcome: record.OutcomeRefused, Reason: reason, Err: errors.New("the detail"),
	}
}

// numbered returns one of many addresses.
func numbered(n int) string {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16 & 0xff), byte(n >> 8 & 0xff), byte(n & 0xff)}).String()
}

func TestWhatIsKnownOfAClient(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	first := lifted("192.0.2.7", noon)
	first.ClientTLS.CA = "0123456789ABCDEF"
	v.Closed(first)
	second := lifted("192.0.2.7", noon.Add(time.Hour))
	second.Protocol, second.Destination = "imap", "outlook.office365.com:993"
	second.ClientTLS.CipherSuite, second.ClientTLS.Resumed = "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", true
	second.SSLv2Format, second.JA3, second.JA4 = true, "the ja3", "the ja4"
	v.Closed(second)
	c, ok := v.Client("192.0.2.7")
	if !ok {
		t.Fatal("the client is not known")
	}
	want := Client{
		Client: "192.0.2.7", Address: netip.MustParseAddr("192.0.2.7"),
		FirstSeen: noon, LastSeen: noon.Add(time.Hour + 3*time.Second),
		Offered: "TLS 1.0", SSLv2Format: true, SendsSNI: true, JA3: "the ja3", JA4: "the ja4", Rule: "tls_version",
		Version: "TLS 1.0", CipherSuite: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", KeyExchange: "DHE", Resumed: true, CA: "0123456789ABCDEF",
		Protocols:    []string{"imap", "smtp"},
		Destinations: []string{"outlook.office365.com:993", "smtp.office365.com:587"},
		Listeners:    []string{"smtp://192.0.2.1:587"},
		Outcomes:     map[record.Outcome]uint64{record.OutcomeLifted: 2},
		LastLifted:   noon.Add(time.Hour + 3*time.Second), LastGood: noon.Add(time.Hour + 3*time.Second),
		LastLegacy: noon.Add(time.Hour + 3*time.Second), SessionsWithoutMail: 1,
		BytesFromClient: 2000, BytesToClient: 200,
	}
	if got, want := fmt.Sprintf("%+v", c), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !c.Legacy() || c.Failing(noon.Add(time.Hour)) {
		t.Errorf("legacy %v, failing %v", c.Legacy(), c.Failing(noon.Add(time.Hour)))
	}
	if _, ok := v.Client("192.0.2.8"); ok {
		t.Error("a client that never connected is known")
	}
}

// A failure shows with its remedy until a connection succeeds; a port check and a
// stop of tlslift do not count as failing.
func TestFailureOfAClient(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	failing := func() bool {
		c, _ := v.Client("192.0.2.7")
		return c.Failing(noon.Add(time.Hour))
	}
	v.Closed(refusedBy(record.ReasonClosedBeforeHello, "192.0.2.7", noon))
	v.Closed(refusedBy(record.ReasonCutOff, "192.0.2.7", noon))
	if failing() {
		t.Error("a port check counts as a failure")
	}
	v.Closed(refusedBy(record.ReasonSSL3Only, "192.0.2.7", noon.Add(time.Minute)))
	c, _ := v.Client("192.0.2.7")
	if f := c.Failure; !failing() || f == nil || f.Reason != record.ReasonSSL3Only || f.Fault != record.FaultClient ||
		f.Cause == "" || f.Remedy == "" || f.Detail != "the detail" {
		t.Errorf("got %+v", c.Failure)
	}
	v.Closed(lifted("192.0.2.7", noon.Add(2*time.Minute)))
	if failing() {
		t.Error("a client is failing after a good connection")
	}
	// The record of an earlier connection may come late.
	v.Closed(refusedBy(record.ReasonSSL2Only, "192.0.2.7", noon))
	if c, _ := v.Client("192.0.2.7"); failing() || c.Failure.Reason != record.ReasonSSL3Only {
		t.Errorf("an earlier failure replaced a later one: %+v", c.Failure)
	}
}

func TestNamedClientIsOneClient(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	for _, addr := range []string{"192.0.2.7", "192.0.2.8", "::ffff:192.0.2.9"} {
		r := lifted(addr, noon)
		r.ClientName = "scanner"
		v.Closed(r)
	}
	all := v.Snapshot()
	if len(all) != 1 || all[0].Client != "scanner" || all[0].Name != "scanner" || all[0].Address != netip.MustParseAddr("192.0.2.9") {
		t.Errorf("got %+v", all)
	}
}

// Durations are in seconds, and a reason has whose fault it is.
func TestConnectionInJSON(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	r := refusedBy(record.ReasonSSL3Only, "192.0.2.7", noon)
	r.Duration = 1500 * time.Millisecond
	v.Closed(r)
	text, err := json.Marshal(v.Recent("", 0, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"duration_seconds":1.5,`, `"reason":"ssl3_only","fault":"client","cause":"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	var c Connection
	if err := json.Unmarshal(text, &c); err != nil || c.Duration() != r.Duration {
		t.Errorf("the duration is %s, want %s; %v", c.Duration(), r.Duration, err)
	}
}

// Whatever goroutines do at once, no connection is lost or counted twice.
func TestCountsAreExact(t *testing.T) {
	t.Parallel()
	const goroutines, each, addresses = 16, 500, 10
	v := New(Options{})
	var running sync.WaitGroup
	for g := range goroutines {
		running.Go(func() {
			for i := range each {
				v.Closed(lifted(numbered((g+i)%addresses), noon.Add(time.Duration(i)*time.Second)))
				if i%50 == 0 {
					_ = v.Snapshot()
					_ = v.Recent("", 0, 10)
				}
			}
		})
	}
	running.Wait()
	var connections, bytes uint64
	for _, c := range v.Snapshot() {
		connections += c.Outcomes[record.OutcomeLifted]
		bytes += c.BytesFromClient
	}
	if connections != goroutines*each || bytes != goroutines*each*1000 {
		t.Errorf("%d connections with %d bytes, want %d with %d", connections, bytes, goroutines*each, goroutines*each*1000)
	}
	for i, c := range v.Recent("", 0, 0) {
		if want := uint64(goroutines*each - maxLatest + i + 1); c.Number != want {
			t.Fatalf("connection %d has number %d, want %d", i, c.Number, want)
		}
	}
}

// A caller may change what it got.
func TestSnapshotIsACopy(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	v.Closed(lifted("192.0.2.7", noon))
	v.Closed(refusedBy(record.ReasonSSL3Only, "192.0.2.7", noon.Add(time.Hour)))
	c := v.Snapshot()[0]
	c.Destinations[0], c.Protocols[0], c.Listeners[0] = "x", "x", "x"
	c.Outcomes[record.OutcomeLifted] = 77
	c.Failure.Cause = "x"
	again := v.Snapshot()[0]
	if again.Destinations[0] == "x" || again.Protocols[0] == "x" || again.Listeners[0] == "x" ||
		again.Outcomes[record.OutcomeLifted] != 1 || again.Failure.Cause == "x" {
		t.Errorf("the inventory was changed: %+v", again)
	}
}

// hostile are texts that a client can put where a name should be.
var hostile = []string{
	strings.Repeat("a", 100000), strings.Repeat("\u20ac", 1000), "\x1b[2J\x07\r\nHTTP/1.1 200", "\xff\xfe\xc3\x28",
	"\u202egnp.exe", "\u2066x\u2069\u2028\u2029\u200b", "<script>alert(1)</script>", "\x00\x01\x7f\u0085", "=cmd|' /C calc'!A0",
}

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	for i, s := range hostile {
		r := refusedBy(record.ReasonDestinationNotAllowed, numbered(i), noon)
		r.ServerName, r.Destination, r.Protocol, r.SMTPReply, r.JA4 = s, s, record.Protocol(s), s, s
		r.ClientName, r.OfferedVersion, r.Err = fmt.Sprint(i, s), "TLS 1.0", errors.New(s)
		r.Mailbox, r.Login = s, s
		v.Closed(r)
	}
	for _, c := range v.Snapshot() {
		checkTexts(t, maxText, c.Client, c.Name, c.SMTPReply, c.JA4, c.Destinations[0], c.Protocols[0], c.Mailbox, c.Login)
		checkTexts(t, maxDetail, c.Failure.Detail)
	}
	for _, c := range v.Recent("", 0, 0) {
		checkTexts(t, maxText, c.Client, c.ServerName, c.Destination, c.Protocol, c.SMTPReply, c.Mailbox, c.Login)
		checkTexts(t, maxDetail, c.Detail)
	}
	if len(v.Snapshot()) != len(hostile) {
		t.Error("a hostile text makes clients disappear")
	}
}

func checkTexts(t *testing.T, max int, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if len(s) > max || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x07\r\n\x1b\x7f\u0085\u202e\u2066\u2028\u200b") {
			t.Errorf("%.80q of %d bytes got in", s, len(s))
		}
	}
}

// The lists of one client stay short however many destinations it has.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	for i := range 1000 {
		r := lifted("192.0.2.7", noon)
		r.Destination, r.Protocol, r.Listener = fmt.Sprint("host", i, ":443"), record.Protocol(fmt.Sprint("p", i)), fmt.Sprint("tls://:", i)
		v.Closed(r)
	}
	c, _ := v.Client("192.0.2.7")
	if len(c.Destinations) != maxDestinations || len(c.Protocols) != maxProtocols || len(c.Listeners) != maxListeners {
		t.Errorf("%d destinations, %d protocols, %d listeners", len(c.Destinations), len(c.Protocols), len(c.Listeners))
	}
	if c.Destinations[0] != "host999:443" || c.Destinations[1] != "host998:443" {
		t.Errorf("the latest are not first: %v", c.Destinations)
	}
	if got := len(v.Recent("192.0.2.7", 0, 0)); got != 20 {
		t.Errorf("%d connections are kept", got)
	}
}

// Mail that is rejected in a lifted session counts, and a failure is one for a day.
func TestFailingForADay(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	r := lifted("192.0.2.7", noon)
	r.Reason = record.ReasonSMTPAuthFailed
	v.Closed(r)
	c, _ := v.Client("192.0.2.7")
	if c.FailedInSession != 1 || !c.Unsolved() || !c.LastGood.IsZero() {
		t.Errorf("got %+v", c)
	}
	for after, want := range map[time.Duration]bool{time.Minute: true, 23 * time.Hour: true, 28 * 24 * time.Hour: false} {
		if got := c.Failing(noon.Add(after)); got != want {
			t.Errorf("failing %s later: %v", after, got)
		}
	}
	v.Closed(lifted("192.0.2.7", noon.Add(time.Hour)))
	if c, _ := v.Client("192.0.2.7"); c.Failing(noon.Add(2*time.Hour)) || c.Unsolved() || c.FailedInSession != 1 {
		t.Errorf("after a success: %+v", c)
	}
}

// A client is legacy by what it offers, also if it was never lifted.
func TestLegacyWithoutALift(t *testing.T) {
	t.Parallel()
	legacy := func(change func(*record.Record)) bool {
		v := New(Options{})
		r := refusedBy(record.ReasonSSL3Only, "192.0.2.7", noon)
		r.Rule = record.RuleTLSVersion
		v.Closed(r)
		later := lifted("192.0.2.7", noon)
		later.Outcome, later.Rule = record.OutcomePassed, record.RuleCapable
		change(later)
		v.Closed(later)
		c, _ := v.Client("192.0.2.7")
		return c.Legacy() && c.LastLifted.IsZero()
	}
	if !legacy(func(*record.Record) {}) {
		t.Error("several devices with one name, one of them old, do not need lifting")
	}
	if legacy(func(r *record.Record) { r.Start = noon.Add(25 * time.Hour) }) {
		t.Error("a client whose TLS is new by now is still legacy")
	}
	if !legacy(func(r *record.Record) {
		r.Start, r.Rule, r.Reason = noon.Add(25*time.Hour), "", record.ReasonHelloTimeout
	}) {
		t.Error("a client that was not heard of is not legacy any more")
	}
}

// A health check of a balancer is no client and no connection.
func TestHealthCheckIsNoClient(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	r := refusedBy(record.ReasonClosedBeforeHello, "192.0.2.1", noon)
	r.ByBalancer = true
	v.Closed(r)
	if len(v.Snapshot()) != 0 || len(v.Recent("", 0, 10)) != 0 {
		t.Errorf("got %+v, %+v", v.Snapshot(), v.Recent("", 0, 10))
	}
}

func TestAcceptedMailIsCounted(t *testing.T) {
	t.Parallel()
	v := New(Options{})
	session := func(after time.Duration, accepted int) Client {
		r := lifted("192.0.2.7", noon.Add(after))
		r.Accepted = accepted
		v.Closed(r)
		c, _ := v.Client("192.0.2.7")
		return c
	}
	for range 11 {
		session(0, 0)
	}
	if c := session(0, 0); c.Accepted != 0 || c.SessionsWithoutMail != 12 || !c.LastAccepted.IsZero() {
		t.Errorf("got %+v", c)
	}
	session(time.Hour, 3)
	c := session(2*time.Hour, 0)
	if c.Accepted != 3 || c.SessionsWithoutMail != 1 || !c.LastAccepted.Equal(noon.Add(time.Hour+3*time.Second)) {
		t.Errorf("got %+v", c)
	}
}

// A client that is forgotten is in no list, and in no state that is saved; it comes back
// as a new one.
func TestForget(t *testing.T) {
	t.Parallel()
	store := &memory{}
	v := New(Options{Store: store})
	v.Closed(lifted("192.0.2.7", noon))
	v.Closed(lifted("192.0.2.8", noon))
	running(v)()
	for key, want := range map[string]bool{"192.0.2.7": true, "192.0.2.9": false, "": false} {
		if got := v.Forget(key); got != want {
			t.Errorf("%q: %v", key, got)
		}
	}
	if v.Forget("192.0.2.7") {
		t.Error("forgotten twice")
	}
	if got := v.Recent("", 0, 0); len(got) != 1 || got[0].Client != "192.0.2.8" {
		t.Errorf("connections are left: %+v", got)
	}
	running(v)()
	if all := New(Options{Store: store}).Snapshot(); len(all) != 1 || all[0].Client != "192.0.2.8" {
		t.Errorf("saved: %+v", all)
	}
	v.Closed(lifted("192.0.2.7", noon.Add(time.Hour)))
	if c, ok := v.Client("192.0.2.7"); !ok || c.Outcomes[record.OutcomeLifted] != 1 {
		t.Errorf("came back as %+v", c)
	}
}
