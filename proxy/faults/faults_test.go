package faults

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/record"
)

// A side is where something goes wrong.
type side string

// The sides.
const (
	clients      side = "clients' side"
	destinations side = "destination's side"
)

// A fault is a row of the table: what goes wrong, what the client sees, and what is
// recorded.
type fault struct {
	name string
	// web means a client of a web server; false means one of SMTP.
	web bool
	// passed means a client that could do by itself; false means one of TLS 1.0.
	passed bool
	size   int
	// impatient means short timeouts.
	impatient bool
	// before is what goes wrong before the client connects, and at during its session.
	before func(w *world)
	at     func(w *world, now phase)
	// heal ends what goes wrong, besides that of the links.
	heal   func(w *world)
	change func(*proxy.Config)
	// sees are what the client may see.
	sees []sight
	// reasons are those that may be recorded; none means that it has to have none, as does
	// an empty one.
	reasons []record.Reason
	// stored means that the mail has arrived, and unheard that nobody has heard of it.
	stored, unheard bool
}

// on returns one of the links.
func (w *world) on(s side) *link {
	if s == clients {
		return w.before
	}
	return w.behind
}

// is returns the reasons that are right.
func is(r ...record.Reason) []record.Reason { return r }

// Whatever goes wrong on one of the networks, the client sees it as what it is, and so
// does the record; and the next connection works.
func TestFaults(t *testing.T) {
	t.Parallel()
	faults := slices.Concat(slow(), cuts(), webCuts(), ends(), holes(), destinationFaults(), nameFaults(t))
	names := map[string]bool{}
	for _, f := range faults {
		if names[f.name] {
			t.Errorf("there are two rows %q", f.name)
		}
		names[f.name] = true
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.try(t)
		})
	}
}

func (f *fault) try(t *testing.T) {
	timeout := patient
	if f.impatient {
		timeout = short
	}
	w := newWorld(t, !f.web, timeout, f.change)
	c := f.client(w, "MAIL FROM:<faulty@contoso.com>")
	if f.at != nil {
		c.at = func(now phase) { f.at(w, now) }
	}
	if f.before != nil {
		f.before(w)
	}
	saw := c.run()
	if !slices.Contains(f.sees, saw) {
		t.Errorf("the client sees: %s; want one of %q", saw, f.sees)
	}
	f.compare(w, w.record())
	if f.stored != w.far.stored(c.from, c.text()) && !f.web {
		t.Errorf("that the mail has arrived is %v", !f.stored)
	}
	w.before.heal()
	w.behind.heal()
	if f.heal != nil {
		f.heal(w)
	}
	again := f.client(w, "MAIL FROM:<healthy@contoso.com>")
	again.size = 1000
	if saw := again.run(); saw != done {
		t.Errorf("afterwards, a client sees: %s", saw)
	}
	if r := w.record(); r.Reason != "" {
		t.Errorf("afterwards, the record is %s %q (%v)", r.Outcome, r.Reason, r.Err)
	}
	if !f.web && !w.far.stored(again.from, again.text()) {
		t.Error("afterwards, a mail does not arrive")
	}
	w.compare()
}

func (f *fault) client(w *world, from string) *client {
	c := &client{world: w, max: tls.VersionTLS10, size: f.size, from: from}
	if f.passed {
		c.max = tls.VersionTLS13
	}
	return c
}

// compare compares a record with the row.
func (f *fault) compare(w *world, r record.Record) {
	w.t.Helper()
	switch {
	case len(f.reasons) == 0 && r.Reason != "":
		w.t.Errorf("the record is %s %q (%v), and nothing was lost", r.Outcome, r.Reason, r.Err)
	case len(f.reasons) > 0 && !slices.Contains(f.reasons, r.Reason):
		w.t.Errorf("the record is %s %q (%v), want one of %q", r.Outcome, r.Reason, r.Err, f.reasons)
	}
	if want := map[bool]int{true: 1}[f.stored && !f.unheard]; r.Accepted != want {
		w.t.Errorf("%d mails are recorded as accepted", r.Accepted)
	}
}

// slow are rows of networks that lose nothing.
func slow() []fault {
	var rows []fault
	for _, s := range []side{clients, destinations} {
		for _, one := range []struct {
			name  string
			toxic toxics.Toxic
			size  int
		}{
			{"latency", &toxics.LatencyToxic{Latency: 15}, 3000},
			{"jitter", &toxics.LatencyToxic{Latency: 10, Jitter: 10}, 60000},
			{"bandwidth of 1 MB/s", &toxics.BandwidthToxic{Rate: 1000}, 60000},
			{"slices of 7 bytes", &toxics.SlicerToxic{AverageSize: 7, SizeVariation: 3}, 3000},
			{"a close that comes late", &toxics.SlowCloseToxic{Delay: 30}, 3000},
		} {
			for _, web := range []bool{false, true} {
				rows = append(rows, fault{
					name: fmt.Sprintf("%s, %s, %s", one.name, s, kindOf(web, false)), web: web, size: one.size, stored: !web,
					before: func(w *world) {
						w.on(s).poison(up, one.toxic)
						w.on(s).poison(down, one.toxic)
					},
					sees: []sight{done},
				})
			}
		}
	}
	return rows
}

func kindOf(web, passed bool) string {
	return map[bool]string{true: "web", false: "mail"}[web] + map[bool]string{true: ", passed", false: ""}[passed]
}

// cuts are rows of connections of SMTP that break, at each phase and on both sides.
func cuts() []fault {
	begun := is(record.ReasonClosedBeforeTLS, record.ReasonClosedBeforeHello)
	early := is(record.ReasonUpstreamClosed, record.ReasonUpstreamUnreachable, record.ReasonUpstreamHandshakeFailed)
	late := is(record.ReasonUpstreamCutOff)
	lost := is(record.ReasonClientCutOff)
	var rows []fault
	for _, one := range []struct {
		at      phase
		clients []record.Reason // for a cut on their side
		far     []record.Reason // and for one on the other
		stored  bool
	}{
		{atSTARTTLS, begun, early, false},
		{atHello, is(record.ReasonClosedBeforeTLS, record.ReasonClosedBeforeHello, record.ReasonHelloTruncated), early, false},
		{inHello, is(record.ReasonClosedBeforeHello, record.ReasonHelloTruncated), early, false},
		// Nobody has heard of the mail yet: such a session is idle.
		{atMAIL, nil, is(record.ReasonUpstreamCutOff, ""), false},
		{atDATA, lost, late, false},
		{inMail, lost, late, false},
		{atEnd, lost, late, false},
		{after250, nil, nil, true},
	} {
		for _, s := range []side{clients, destinations} {
			for _, reset := range []bool{true, false} {
				f := fault{
					name: fmt.Sprintf("%s %s, %s", map[bool]string{true: "reset", false: "end"}[reset], one.at, s), size: 20000,
					at: func(w *world, now phase) {
						if now == one.at {
							w.on(s).cut(reset)
						}
					},
					sees: []sight{cut, ended, refused}, reasons: one.clients, stored: one.stored,
				}
				if s == destinations {
					f.reasons = one.far
				}
				rows = append(rows, f)
			}
		}
	}
	return rows
}

// webCuts are those of connections to a web server.
func webCuts() []fault {
	var rows []fault
	for _, passed := range []bool{false, true} {
		for _, s := range []side{clients, destinations} {
			for _, at := range []phase{inAnswer, afterAnswer} {
				f := fault{
					name: fmt.Sprintf("reset %s, %s, %s", at, s, kindOf(true, passed)), web: true, passed: passed, size: 16 << 20,
					at: func(w *world, now phase) {
						if now == at {
							w.on(s).cut(true)
						}
					},
					sees: []sight{cut},
				}
				switch {
				case at == afterAnswer:
					f.sees = []sight{done}
				case passed:
					// Nobody sees inside, and a reset is what a client sees of it.
				case s == clients:
					f.reasons = is(record.ReasonClientCutOff)
				default:
					f.reasons = is(record.ReasonUpstreamCutOff)
				}
				rows = append(rows, f)
			}
		}
	}
	return rows
}

// ends are rows of toxics that end a connection by themselves.
func ends() []fault {
	early := is(record.ReasonUpstreamClosed, record.ReasonUpstreamUnreachable, record.ReasonUpstreamCutOff,
		record.ReasonUpstreamHandshakeFailed)
	return []fault{
		{
			name: "reset_peer, destination's side", sees: []sight{refused, cut}, reasons: early,
			before: func(w *world) { w.behind.resets = true; w.behind.poison(down, &toxics.ResetToxic{Timeout: 10}) },
		},
		{
			name: "reset_peer, clients' side", sees: []sight{cut, ended},
			reasons: is(record.ReasonClosedBeforeTLS, record.ReasonClosedBeforeHello),
			before:  func(w *world) { w.before.resets = true; w.before.poison(down, &toxics.ResetToxic{Timeout: 10}) },
		},
		{
			name: "timeout, destination's side", sees: []sight{refused}, reasons: early,
			before: func(w *world) { w.behind.poison(down, &toxics.TimeoutToxic{Timeout: 30}) },
		},
		{
			name: "limit_data in the handshake, destination's side", sees: []sight{refused, cut}, reasons: early,
			at: func(w *world, now phase) {
				if now == atSTARTTLS {
					w.behind.poison(down, &toxics.LimitDataToxic{Bytes: 500})
				}
			},
		},
		{
			name: "limit_data in the handshake, clients' side", sees: []sight{cut, ended},
			reasons: is(record.ReasonClientClosed, record.ReasonClientClosedAfterCert, record.ReasonHelloTruncated),
			at: func(w *world, now phase) {
				if now == atHello {
					w.before.poison(up, &toxics.LimitDataToxic{Bytes: 130})
				}
			},
		},
	}
}

// holes are rows of networks that swallow everything from some phase on.
func holes() []fault {
	hole := func(on side, directions ...int) func(*world) {
		return func(w *world) {
			for _, d := range directions {
				w.on(on).poison(d, &toxics.TimeoutToxic{})
			}
		}
	}
	at := func(when phase, then func(*world)) func(*world, phase) {
		return func(w *world, now phase) {
			if now == when {
				then(w)
			}
		}
	}
	silence := is(record.ReasonIdleTimeout, record.ReasonUpstreamTimeout, record.ReasonUpstreamCutOff)
	return []fault{
		{
			name: "black hole before the greeting, destination's side", impatient: true, sees: []sight{refused, cut},
			reasons: is(record.ReasonUpstreamTimeout), before: hole(destinations, up, down),
		},
		{
			name: "black hole in the handshake, destination's side", impatient: true, sees: []sight{refused, cut, ended},
			reasons: is(record.ReasonUpstreamTimeout), at: at(atHello, hole(destinations, up, down)),
		},
		{
			name: "black hole in flight, destination's side", impatient: true, size: 60000, sees: []sight{cut, refused, ended},
			reasons: silence, at: at(inMail, hole(destinations, up, down)),
		},
		{
			name: "black hole for the answer to a mail, destination's side", impatient: true, size: 3000, stored: true, unheard: true,
			sees: []sight{cut, refused, ended}, reasons: silence, at: at(atEnd, hole(destinations, down)),
		},
		{
			name: "black hole while idle, destination's side", impatient: true, size: 3000, stored: true,
			sees: []sight{cut, refused, ended}, at: at(after250, hole(destinations, up, down)),
		},
		{
			name: "black hole in the hello, clients' side", impatient: true, sees: []sight{cut, refused, ended},
			reasons: is(record.ReasonHelloTimeout), at: at(inHello, hole(clients, up)),
		},
		{
			name: "black hole in flight, clients' side", impatient: true, size: 60000, sees: []sight{cut, refused, ended},
			reasons: is(record.ReasonIdleTimeout, record.ReasonClientCutOff), at: at(inMail, hole(clients, up)),
		},
		{
			name: "black hole in an answer, destination's side", web: true, impatient: true, size: 10 << 20,
			sees: []sight{cut, ended}, reasons: silence, at: at(atRequest, hole(destinations, down)),
		},
	}
}

// destinationFaults are rows of destinations that change.
func destinationFaults() []fault {
	present := func(o fakem365.CertOptions) func(*world) {
		return func(w *world) { w.far.present(certificate(w.t, o)) }
	}
	good := present(fakem365.CertOptions{})
	rows := []fault{
		{
			name: "refuses connections", sees: []sight{refused},
			reasons: is(record.ReasonUpstreamClosed, record.ReasonUpstreamRefused, record.ReasonUpstreamUnreachable),
			before: func(w *world) {
				w.behind.mu.Lock()
				defer w.behind.mu.Unlock()
				w.behind.deaf = true
			},
		},
	}
	for _, one := range []struct {
		name   string
		o      fakem365.CertOptions
		reason record.Reason
	}{
		{"expires", fakem365.CertOptions{NotAfter: time.Now().Add(-time.Hour)}, record.ReasonUpstreamCertExpired},
		{"is for another name", fakem365.CertOptions{Names: []string{"www.contoso.com"}}, record.ReasonUpstreamCertName},
		{"is not trusted", fakem365.CertOptions{SelfSigned: true}, record.ReasonUpstreamCertUntrusted},
	} {
		bad := present(one.o)
		for _, web := range []bool{false, true} {
			rows = append(rows, fault{
				name: fmt.Sprintf("certificate %s after a good connection, %s", one.name, kindOf(web, false)), web: web, size: 1000,
				before: func(w *world) {
					first := &client{world: w, max: tls.VersionTLS10, size: 1000, from: "MAIL FROM:<first@contoso.com>"}
					if saw := first.run(); saw != done {
						w.t.Errorf("before, a client sees: %s", saw)
					}
					_ = w.record()
					bad(w)
				},
				heal: good, sees: []sight{refused}, reasons: is(one.reason),
			})
		}
	}
	return rows
}
