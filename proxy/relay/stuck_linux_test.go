package relay

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// In a handshake that stalls since one side does not read, that side is named, whatever is
// missing of the other's records.
func TestHandshakeOfWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	hello := []byte{recordHandshake, 3, 3, 0, 4, 2, 0, 0, 0}
	record16K := append([]byte{recordHandshake, 3, 3, 0x40, 0}, make([]byte, 0x4000)...)
	for name, tt := range map[string]struct {
		toClient, toUpstream []byte // what has been read of the other side
		stuck                Side
		want                 record.Reason
	}{
		"the client, between records":      {hello, nil, Client, record.ReasonClientHandshakeTimeout},
		"the client, in a record":          {hello[:6], nil, Client, record.ReasonClientHandshakeTimeout},
		"the destination":                  {hello, hello, Upstream, record.ReasonUpstreamTimeout},
		"the destination, after a hello":   {nil, record16K[:len(record16K)-1], Upstream, record.ReasonUpstreamTimeout},
		"the client, after its own record": {nil, record16K, Client, record.ReasonClientHandshakeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, ourClient := testenv.TCPPair(t)
			ourServer, server := testenv.TCPPair(t)
			near := [2]*net.TCPConn{ourClient, ourServer}[tt.stuck]
			far := [2]*net.TCPConn{client, server}
			if err := far[tt.stuck].SetReadBuffer(1); err != nil {
				t.Fatal(err)
			}
			r := &Relay{
				Client: ourClient, Upstream: ourServer, Idle: time.Hour,
				Handshake: &Handshake{ToClient: tt.toClient, ToUpstream: tt.toUpstream, Deadline: time.Now().Add(time.Hour)},
			}
			ended := make(chan error, 1)
			go func() {
				_, _, err := r.Run()
				ended <- err
			}()
			go func() { _, _ = io.Copy(io.Discard, far[1-tt.stuck]) }()
			go func() { // until the relay ends
				for err := error(nil); err == nil; {
					_, err = far[1-tt.stuck].Write(record16K)
				}
			}()
			for end := time.Now().Add(testenv.Patience); time.Now().Before(end); {
				if _, unsent := sent(near); unsent > 0 {
					break
				}
			}
			r.idle.mu.Lock()
			r.Handshake.Deadline = time.Now()
			r.idle.mu.Unlock()
			r.idle.look()
			err := <-ended
			var f *record.Failure
			if !errors.As(err, &f) || f.Reason != tt.want {
				t.Errorf("ended with %v, want %s", err, tt.want)
			}
		})
	}
}
