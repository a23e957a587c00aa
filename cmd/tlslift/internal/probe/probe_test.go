package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/probes"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/mailbox"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/upstream"
)

func destination(t *testing.T, text string) policy.Destination {
	t.Helper()
	to, err := policy.ParseDestination(text)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// address returns where a fake server listens.
func address(t *testing.T) func(interface{ Addr() string }, error) string {
	return func(s interface{ Addr() string }, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s.Addr()
	}
}

// What a probe finds at each kind of destination.
func TestRound(t *testing.T) {
	t.Parallel()
	const web, smtp, imap = "outlook.office365.com", "smtp.office365.com", "outlook.office365.com"
	fake := testenv.FakeM365(t)
	at := address(t)
	says := func(text string) string {
		return testenv.Serve(t, func(conn net.Conn) {
			_, _ = conn.Write([]byte(text))
			_, _ = conn.Read(make([]byte, 1000))
			_, _ = conn.Write([]byte("250 no extensions\r\n"))
		}).String()
	}
	for _, test := range []struct {
		to, at string
		want   record.Reason
	}{
		{web + ":443", at(fake.ServeHTTPS(fakem365.TLSOptions{})), ""},
		{smtp + ":587", at(fake.ServeSMTP(fakem365.MailOptions{})), ""},
		{smtp + ":465", at(fake.ServeSMTP(fakem365.MailOptions{Implicit: true})), ""},
		{imap + ":993", at(mailbox.ServeIMAP(fake, mailbox.Options{Implicit: true})), ""},
		{imap + ":143", at(mailbox.ServeIMAP(fake, mailbox.Options{})), ""},
		{imap + ":110", at(mailbox.ServePOP3(fake, mailbox.Options{})), ""},
		{web + ":443", at(fake.ServeHTTPS(fakem365.TLSOptions{Names: []string{"elsewhere.example"}})), record.ReasonUpstreamCertName},
		{web + ":443", at(fake.ServeHTTPS(fakem365.TLSOptions{MaxVersion: 0x0301})), record.ReasonUpstreamTLSTooOld},
		{web + ":443", testenv.FreeAddress(t), record.ReasonUpstreamRefused},
		{smtp + ":587", says("421 go away\r\n"), record.ReasonUpstreamRefusedSession},
		{smtp + ":587", says("220 hello\r\n"), record.ReasonUpstreamNoStartTLS},
		{smtp + ":587", testenv.Serve(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }).String(), record.ReasonUpstreamTimeout},
	} {
		t.Run(fmt.Sprint(test.to, test.want), func(t *testing.T) {
			t.Parallel()
			timeout := testenv.Patience
			if test.want == record.ReasonUpstreamTimeout {
				timeout = 50 * time.Millisecond
			}
			var found []probes.Probe
			p := New(Options{
				Timeout: timeout, Log: slog.New(slog.DiscardHandler),
				InUse: func() []policy.Destination { return []policy.Destination{destination(t, test.to)} },
				Show:  func(round []probes.Probe) { found = round },
			}, upstream.Config{Roots: fake.Roots(), ConnectTo: map[string]string{test.to: test.at}})
			p.round(t.Context())
			if len(found) != 1 || found[0].Destination != test.to || found[0].Reason != test.want {
				t.Errorf("got %+v, want %q", found, test.want)
			}
		})
	}
}

// A probe leaves no connection open, whether it works or not.
func TestNothingIsLeftOpen(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	at := address(t)
	for _, test := range []struct{ to, at string }{
		{"outlook.office365.com:443", at(fake.ServeHTTPS(fakem365.TLSOptions{}))},
		{"smtp.office365.com:587", at(fake.ServeSMTP(fakem365.MailOptions{}))},
		{"outlook.office365.com:443", at(fake.ServeHTTPS(fakem365.TLSOptions{Names: []string{"another.example"}}))},
	} {
		ended := make(chan error, 1)
		between := testenv.Serve(t, func(conn net.Conn) {
			server, err := net.Dial("tcp", test.at)
			if err != nil {
				ended <- err
				return
			}
			go func() { _, _ = io.Copy(conn, server) }()
			_, err = io.Copy(server, conn) // until the probe closes
			_ = server.Close()
			ended <- err
		})
		p := New(Options{
			Timeout: testenv.Patience, Log: slog.New(slog.DiscardHandler),
			InUse: func() []policy.Destination { return []policy.Destination{destination(t, test.to)} },
			Show:  func([]probes.Probe) {},
		}, upstream.Config{Roots: fake.Roots(), ConnectTo: map[string]string{test.to: between.String()}})
		p.round(t.Context())
		select {
		case <-ended:
		case <-time.After(testenv.Patience):
			t.Errorf("the connection to %s is still open", test.to)
		}
	}
}

// A round follows another at the interval until the end, and what has changed is logged once.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		to := destination(t, "outlook.office365.com:443")
		// What fails is the address: one that is never connected to.
		out := upstream.Config{ConnectTo: map[string]string{to.String(): "0.0.0.0:1"}}
		var log bytes.Buffer
		var rounds []probes.Probe
		began := time.Now()
		p := New(Options{
			Interval: 5 * time.Minute, Timeout: time.Second, Log: slog.New(slog.NewTextHandler(&log, nil)),
			InUse: func() []policy.Destination {
				if time.Since(began) >= 15*time.Minute {
					return nil
				}
				return []policy.Destination{to}
			},
			Show: func(round []probes.Probe) { rounds = append(rounds, round...) },
		}, out)
		done := make(chan struct{})
		go func() { p.Run(ctx); close(done) }()
		time.Sleep(31 * time.Minute)
		stop()
		<-done
		if len(rounds) != 3 || rounds[0].Reason == "" {
			t.Errorf("got %+v, want three failures", rounds)
		}
		if n := strings.Count(log.String(), "a destination cannot be reached"); n != 1 {
			t.Errorf("%d lines, want one:\n%s", n, &log)
		}
	})
}

// Without an interval nothing is probed.
func TestOff(t *testing.T) {
	t.Parallel()
	New(Options{InUse: func() []policy.Destination { t.Error("probes"); return nil }}, upstream.Config{}).Run(t.Context())
}

// allowed allows everything but one host.
type allowed struct{}

func (allowed) Allows(to policy.Destination) bool { return to.Host != "forbidden.example" }

func (allowed) Mail() m365.Mail {
	return m365.Mail{
		SMTP: policy.Destination{Host: "smtp.office365.com", Port: 587}, POP3: policy.Destination{Host: "outlook.office365.com", Port: 995},
	}
}

// What is in use, also where a listener without a destination brings mail, and nothing that
// clients may not reach.
func TestDestinations(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	client := func(days int, destinations ...string) inventory.Client {
		return inventory.Client{LastLegacy: now.AddDate(0, 0, -days), Destinations: destinations}
	}
	many := make([]string, 0, 100)
	for i := range 100 {
		many = append(many, fmt.Sprintf("host%d.example:443", i))
	}
	listeners := []listener.URL{
		{}, {To: destination(t, "hve.example:587"), Scheme: listener.SchemeSMTP}, {To: destination(t, "hve.example:587")},
		{Scheme: listener.SchemeSMTP}, {Scheme: listener.SchemePOP3S}, {Scheme: listener.SchemeSMTPS}, {Scheme: listener.SchemeProxy},
	}
	got := Destinations(listeners, []inventory.Client{
		client(1, "b.example:443", "forbidden.example:443", "192.0.2.1:443", ""),
		client(6, "c.example:443", "smtp.office365.com:587"),
		client(2, "c.example:443"),
		client(8, "old.example:443"),
		{Destinations: []string{"new.example:443"}}, // by a client that can do without
	}, allowed{}, now)
	want := []policy.Destination{
		listeners[1].To, destination(t, "smtp.office365.com:587"), destination(t, "outlook.office365.com:995"),
		destination(t, "c.example:443"), destination(t, "b.example:443"),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Destinations(nil, []inventory.Client{client(0, many...)}, allowed{}, now); len(got) != maxDestinations {
		t.Errorf("got %d destinations, want %d", len(got), maxDestinations)
	}
}
