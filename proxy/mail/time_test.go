package mail

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// A client has five minutes for each command before TLS, and ten for all of them,
// whatever the timeout of the other steps is.
func TestTimeBeforeTLS(t *testing.T) {
	t.Parallel()
	noop := func(every time.Duration) func(client net.Conn, r *bufio.Reader) {
		return func(client net.Conn, r *bufio.Reader) {
			for {
				time.Sleep(every) // of the bubble
				if _, err := io.WriteString(client, "NOOP\r\n"); err != nil {
					return
				}
				if _, err := r.ReadString('\n'); err != nil {
					return
				}
			}
		}
	}
	for name, tt := range map[string]struct {
		protocol record.Protocol
		greeting string
		client   func(client net.Conn, r *bufio.Reader)
		took     time.Duration
	}{
		"silence": {record.ProtocolSMTP, "220 mx\r\n", func(net.Conn, *bufio.Reader) {}, 5 * time.Minute},
		"half a command": {record.ProtocolSMTP, "220 mx\r\n", func(c net.Conn, _ *bufio.Reader) {
			_, _ = io.WriteString(c, "EHL")
		}, 5 * time.Minute},
		"a slow command":  {record.ProtocolSMTP, "220 mx\r\n", noop(4 * time.Minute), 10 * time.Minute},
		"many quick ones": {record.ProtocolSMTP, "220 mx\r\n", noop(25 * time.Second), 10 * time.Minute},
		"silence, POP3":   {record.ProtocolPOP3, "+OK\r\n", func(net.Conn, *bufio.Reader) {}, 5 * time.Minute},
		"silence, IMAP":   {record.ProtocolIMAP, "* OK\r\n", func(net.Conn, *bufio.Reader) {}, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ourClient, client := net.Pipe()
				ourServer, server := net.Pipe()
				var peers sync.WaitGroup
				defer func() { _, _ = client.Close(), server.Close(); peers.Wait() }()
				s := New(Config{
					Protocol: tt.protocol, Client: relay.NewConn(ourClient), Destination: destination{ourServer},
					GreetingWait: time.Nanosecond, Timeout: 30 * time.Second, IdleTimeout: time.Minute,
				})
				defer s.Close()
				peers.Go(func() {
					r := bufio.NewReader(server)
					for _, err := io.WriteString(server, tt.greeting); err == nil; _, err = io.WriteString(server, "250 ok\r\n") {
						if _, err := r.ReadString('\n'); err != nil {
							return
						}
					}
				})
				peers.Go(func() {
					r := bufio.NewReader(client)
					if _, err := r.ReadString('\n'); err == nil {
						tt.client(client, r)
					}
				})
				start := time.Now()
				err := s.Negotiate(t.Context())
				var f *record.Failure
				if !errors.As(err, &f) || f.Reason != record.ReasonHelloTimeout {
					t.Errorf("ended with %v", err)
				}
				if took := time.Since(start).Truncate(time.Second); took != tt.took {
					t.Errorf("ended after %v, want %v", took, tt.took)
				}
			})
		})
	}
}
