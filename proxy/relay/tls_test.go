package relay

import (
	"errors"
	"io"
	"net"
	"testing"
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
		client, ourClient := tcpPair(t)
		ourServer, server := tcpPair(t)
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
