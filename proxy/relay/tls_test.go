package relay

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

var errBadRecord = errors.New("a record does not verify")

// An alerting is a connection with a TLS stack that has sent an alert.
type alerting struct {
	*net.TCPConn
	reads, writes bool // which of them fail
}

func (a *alerting) Read(p []byte) (int, error) {
	if a.reads {
		return 0, &AlertedError{errBadRecord}
	}
	return a.TCPConn.Read(p)
}

func (a *alerting) Write(p []byte) (int, error) {
	if a.writes {
		return 0, &AlertedError{errBadRecord}
	}
	return a.TCPConn.Write(p)
}

// The side of a client that was sent an alert is left open, whichever direction sees it
// first. The destination's is not, nor is anything left open after an alert to it.
func TestAlertedClientIsLeftOpen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reads, writes, atUpstream bool
	}{
		"reading": {reads: true}, "writing": {writes: true}, "both": {reads: true, writes: true},
		"the destination": {reads: true, atUpstream: true},
	} {
		client, ourClient := testenv.TCPPair(t)
		ourServer, server := testenv.TCPPair(t)
		r := &Relay{InTLS: true, Idle: 1 << 40, Client: ourClient, Upstream: ourServer}
		bad := &alerting{ourClient, tt.reads, tt.writes}
		if r.Client = bad; tt.atUpstream {
			bad.TCPConn = ourServer
			r.Client, r.Upstream = ourClient, bad
		}
		r.AbortUpstream = func() { Reset(ourServer) }
		r.Abort = func() { Reset(ourClient); Reset(ourServer) }
		write(t, server, "more")
		if !tt.reads {
			write(t, client, "from the client")
		}
		ended := make(chan error, 1)
		go func() {
			_, _, err := r.Run()
			ended <- err
		}()
		if !tt.reads {
			_ = client.CloseWrite()
		}
		if err := <-ended; !errors.Is(err, errBadRecord) {
			t.Errorf("%s: ended with %v", name, err)
		}
		if r.ClientAlerted() == tt.atUpstream {
			t.Errorf("%s: alerted %t", name, r.ClientAlerted())
		}
		_ = ourClient.Close()
		_, err := io.Copy(io.Discard, client)
		if IsReset(err) != tt.atUpstream {
			t.Errorf("%s: the client's side ended with %v", name, err)
		}
	}
}

// A fakeTurn is held or not, and can be had so often.
type fakeTurn struct {
	held bool
	left int
}

var errNoTurn = errors.New("no turn any more")

func (f *fakeTurn) Pause() { f.held = false }

func (f *fakeTurn) Resume() error {
	if f.left == 0 {
		return errNoTurn
	}
	f.left--
	f.held = true
	return nil
}

// A watchedTurn is a connection that says whether a turn is held while it is used.
type watchedTurn struct {
	net.Conn
	turn *fakeTurn
	held bool
}

func (w *watchedTurn) Read(p []byte) (int, error) {
	w.held = w.held || w.turn.held
	return len(p), nil
}

func (w *watchedTurn) Write(p []byte) (int, error) {
	w.held = w.held || w.turn.held
	return len(p), nil
}

// A peer that sends nothing, or reads nothing, in the middle of a handshake costs no turn.
func TestNoTurnIsHeldForTheNetwork(t *testing.T) {
	t.Parallel()
	turn := &fakeTurn{held: true, left: 2}
	below := &watchedTurn{turn: turn}
	raw := NewRaw(below)
	raw.Turn = turn
	for name, use := range map[string]func([]byte) (int, error){"read": raw.Read, "written": raw.Write} {
		if n, err := use(make([]byte, 3)); n != 3 || err != nil {
			t.Errorf("%d bytes were %s, %v", n, name, err)
		}
		if below.held || !turn.held {
			t.Errorf("%s: held for the network: %v, and after it: %v", name, below.held, turn.held)
		}
	}
	if _, err := raw.Read(make([]byte, 3)); !errors.Is(err, errNoTurn) {
		t.Errorf("without another turn: %v", err)
	}
	raw.Turn = nil
	if _, err := raw.Write(make([]byte, 3)); err != nil {
		t.Errorf("after the handshake: %v", err)
	}
}
