package mail

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/greeting"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/testenv"
)

const fullWait = 200 * time.Millisecond

// hello is the beginning of a ClientHello.
const hello = "\x16\x03\x01\x00\x05"

// A visit is one session of a client in a bubble.
type visit struct {
	protocol  record.Protocol
	wait      time.Duration
	reach     time.Duration // how long it takes to reach the destination
	plaintext bool
	secures   bool // the destination has implicit TLS
	// speak is what the client does.
	speak func(conn net.Conn, r *bufio.Reader)
}

// A slowDestination is one that is far away.
type slowDestination struct {
	destination
	reach time.Duration
}

func (d slowDestination) Dial(context.Context) (net.Conn, error) {
	time.Sleep(d.reach) // of the bubble
	return d.Conn, nil
}

// attend carries a visit. It returns how the client's side stands in the end.
func attend(t *testing.T, h greeting.Habit, v visit) (clientPhase, error) {
	t.Helper()
	ourClient, client := net.Pipe()
	ourServer, server := net.Pipe()
	var peers sync.WaitGroup
	s := New(Config{
		Protocol: v.protocol, Client: relay.NewConn(ourClient), Destination: slowDestination{destination{ourServer}, v.reach},
		Plaintext: v.plaintext, UpstreamImplicitTLS: v.secures,
		GreetingWait: v.wait, Habit: h, Timeout: time.Minute, IdleTimeout: time.Minute,
	})
	peers.Go(func() { answer(server, v.protocol) })
	peers.Go(func() { v.speak(client, bufio.NewReader(client)) })
	err := s.Negotiate(t.Context())
	phase := s.client.phase
	s.Close()
	_, _, _ = ourClient.Close(), ourServer.Close(), server.Close()
	peers.Wait()
	_ = client.Close()
	return phase, err
}

// answer is a destination that greets and accepts each command.
func answer(conn net.Conn, p record.Protocol) {
	greets, tag, ok := "220 mx\r\n", "", "220 ok\r\n"
	switch p {
	case record.ProtocolIMAP:
		greets, tag, ok = "* OK IMAP\r\n", "a ", "OK done\r\n"
	case record.ProtocolPOP3:
		greets, ok = "+OK POP3\r\n", "+OK\r\n"
	}
	r := bufio.NewReader(conn)
	for _, err := io.WriteString(conn, greets); err == nil; _, err = io.WriteString(conn, tag+ok) {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if p == record.ProtocolSMTP && line[0] == 'E' {
			ok = "250-mx\r\n250 STARTTLS\r\n"
		} else if p == record.ProtocolSMTP {
			ok = "220 go\r\n"
		}
	}
}

// starts is a client that waits for the greeting, and then says lines. It notes how long
// the greeting took.
func starts(after *time.Duration, lines ...string) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, r *bufio.Reader) {
		began := time.Now()
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
		*after = time.Since(began)
		for _, line := range lines {
			if _, err := io.WriteString(conn, line); err != nil {
				return
			}
			for more := true; more; {
				reply, err := r.ReadString('\n')
				if err != nil {
					return
				}
				more = reply[3] == '-'
			}
		}
	}
}

// saysAfter is a client that says something after a time, whatever it has read by then.
func saysAfter(pause time.Duration, what string) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, r *bufio.Reader) {
		var reading sync.WaitGroup
		reading.Go(func() { _, _ = io.Copy(io.Discard, r) })
		time.Sleep(pause) // of the bubble
		if what != "" {
			_, _ = io.WriteString(conn, what)
		} else {
			_ = conn.Close()
		}
		reading.Wait()
	}
}

// A client that waits for the greeting gets it sooner each time, after some, in each protocol.
func TestGreetingComesSooner(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		visit
		lines []string
		phase clientPhase
	}{
		"SMTP":          {visit{protocol: record.ProtocolSMTP}, []string{"EHLO a\r\n", "STARTTLS\r\n"}, clientSTARTTLS},
		"IMAP":          {visit{protocol: record.ProtocolIMAP}, []string{"a STARTTLS\r\n"}, clientSTARTTLS},
		"POP3":          {visit{protocol: record.ProtocolPOP3}, []string{"STLS\r\n"}, clientSTARTTLS},
		"plaintext":     {visit{protocol: record.ProtocolPOP3, plaintext: true}, []string{"USER a\r\n"}, clientPlaintext},
		"on its behalf": {visit{protocol: record.ProtocolIMAP, secures: true}, []string{"a STARTTLS\r\n"}, clientSTARTTLS},
		"far away": {
			visit{protocol: record.ProtocolSMTP, reach: 30 * time.Millisecond}, []string{"EHLO a\r\n", "STARTTLS\r\n"}, clientSTARTTLS,
		},
		"only STARTTLS":   {visit{protocol: record.ProtocolSMTP, wait: -1}, []string{"EHLO a\r\n", "STARTTLS\r\n"}, clientSTARTTLS},
		"QUIT of a probe": {visit{protocol: record.ProtocolSMTP}, []string{"QUIT\r\n"}, clientGreeted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := greeting.New().Of(greeting.Key{Listener: name})
				var got []time.Duration
				for range greeting.Trials - 1 {
					h.WasSilent()
				}
				full := max(0, fullWait+tt.wait*fullWait)
				for range 8 {
					var after time.Duration
					tt.visit.wait, tt.speak = full, starts(&after, tt.lines...)
					if phase, err := attend(t, h, tt.visit); phase != tt.phase || err != nil && phase != clientGreeted {
						t.Fatalf("the client is in phase %d: %v", phase, err)
					}
					got = append(got, after)
				}
				// Where the wait is over, there is one more look, for which a pipe needs a moment.
				want := []time.Duration{full + tt.reach + time.Millisecond, full + tt.reach + time.Millisecond}
				for i := range 6 {
					if wait := min(full, max(greeting.Least, fullWait>>(i+1))); wait > tt.reach {
						want = append(want, wait)
					} else {
						want = append(want, tt.reach+time.Millisecond)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("the greeting took %v, want %v", got, want)
				}
			})
		})
	}
}

// A device that begins with TLS is served at an address that is known for others, if it does
// so before its greeting. Whoever is not silent is waited for in full from then on, and
// whoever leaves without a word until it is known again.
func TestMixedAddress(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		visit
		phase  clientPhase
		reason record.Reason
		// wait is that of the next session, and again that after as many silent ones as halve it.
		wait, again time.Duration
	}{
		"implicit TLS":   {visit{speak: saysAfter(0, hello)}, clientImplicitTLS, "", fullWait, fullWait},
		"implicit SSLv2": {visit{speak: saysAfter(0, "\x80\x2e\x01")}, clientImplicitTLS, "", fullWait, fullWait},
		"TLS in Least":   {visit{speak: saysAfter(greeting.Least-time.Millisecond, hello)}, clientImplicitTLS, "", fullWait, fullWait},
		"TLS too late": {
			visit{speak: saysAfter(time.Second, hello)}, clientGreeted, record.ReasonTLSBeforeStartTLS, fullWait, fullWait,
		},
		"a command at once": {visit{speak: saysAfter(0, "QUIT\r\n")}, clientGreeted, record.ReasonClosedBeforeTLS, fullWait, fullWait},
		"HTTP at once": {
			visit{speak: saysAfter(0, "GET / HTTP/1.1\r\n")}, clientGreeted, record.ReasonMalformedBeforeTLS, fullWait, fullWait,
		},
		"leaves after the greeting": {
			visit{speak: saysAfter(time.Second, "")}, clientGreeted, record.ReasonClosedBeforeHello, fullWait, fullWait / 2,
		},
		"noise after the greeting": {
			visit{speak: saysAfter(time.Second, "\x01\r\n")}, clientGreeted, record.ReasonHelloTimeout, fullWait, fullWait / 2,
		},
		"leaves at once": {visit{speak: saysAfter(0, "")}, clientNew, record.ReasonClosedBeforeHello, greeting.Least, greeting.Least},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := greeting.New().Of(greeting.Key{Client: netip.MustParseAddr("192.0.2.1")})
				for range greeting.Trials + 10 {
					h.WasSilent()
				}
				tt.visit.protocol, tt.visit.wait = record.ProtocolSMTP, fullWait
				phase, err := attend(t, h, tt.visit)
				if got := reasonOf(t, err); phase != tt.phase || got != tt.reason {
					t.Errorf("the client is in phase %d with reason %q (%v); want %d and %q", phase, got, err, tt.phase, tt.reason)
				}
				if got := h.Wait(fullWait); got != tt.wait {
					t.Errorf("the next session is waited for for %v, want %v", got, tt.wait)
				}
				for range greeting.Trials + 1 {
					h.WasSilent()
				}
				if got := h.Wait(fullWait); got != tt.again {
					t.Errorf("the one after some silent ones is waited for for %v, want %v", got, tt.again)
				}
			})
		})
	}
}

// What has arrived while the destination was dialled counts, however short the wait is.
func TestBeginningDuringDial(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wait   time.Duration
		says   string
		phase  clientPhase
		reason record.Reason
		next   time.Duration
	}{
		"TLS of a known client":     {fullWait, hello, clientImplicitTLS, "", fullWait},
		"TLS without a wait":        {0, hello, clientImplicitTLS, "", fullWait},
		"the end of a known client": {fullWait, "", clientNew, record.ReasonClosedBeforeHello, greeting.Least},
		"the end without a wait":    {0, "", clientNew, record.ReasonClosedBeforeHello, greeting.Least},
		"a command without a wait":  {0, "QUIT\r\n", clientGreeted, record.ReasonClosedBeforeTLS, fullWait},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, ours := testenv.TCPPair(t)
			server, far := pipe(t)
			h := greeting.New().Of(greeting.Key{Client: netip.MustParseAddr("192.0.2.1")})
			for range greeting.Trials + 10 {
				h.WasSilent()
			}
			s := New(Config{
				Protocol: record.ProtocolSMTP, Client: relay.NewConn(ours), GreetingWait: tt.wait, Habit: h,
				Timeout: patience, IdleTimeout: patience,
				Destination: dialling{destination{server}, func() {
					if _, err := io.WriteString(client, tt.says); err != nil { // loopback: it has arrived
						t.Error(err)
					}
					if tt.says == "" {
						_ = client.Close()
					}
				}},
			})
			defer s.Close()
			go answer(far, record.ProtocolSMTP)
			err := s.Negotiate(t.Context())
			if got := reasonOf(t, err); s.client.phase != tt.phase || got != tt.reason {
				t.Errorf("the client is in phase %d with reason %q (%v); want %d and %q", s.client.phase, got, err, tt.phase, tt.reason)
			}
			if got := h.Wait(fullWait); got != tt.next {
				t.Errorf("the next session is waited for for %v, want %v", got, tt.next)
			}
		})
	}
}

// A dialling destination is one during whose dialling something happens.
type dialling struct {
	destination
	meanwhile func()
}

func (d dialling) Dial(context.Context) (net.Conn, error) {
	d.meanwhile()
	return d.Conn, nil
}
