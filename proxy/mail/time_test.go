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

// says sends a command again and again, with a pause before each, and waits for its
// reply.
func says(command string, pause time.Duration) func(client net.Conn, r *bufio.Reader) {
	return func(client net.Conn, r *bufio.Reader) {
		for {
			time.Sleep(pause) // of the bubble
			if _, err := io.WriteString(client, command); err != nil {
				return
			}
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
	}
}

// negotiate runs a session before TLS, between a client and a destination that answers
// each command, in a bubble. It returns how that ended, and after how long.
func negotiate(
	t *testing.T, p record.Protocol, greeting string, speak func(client net.Conn, r *bufio.Reader),
) (time.Duration, error) {
	t.Helper()
	ourClient, client := net.Pipe()
	ourServer, server := net.Pipe()
	var peers sync.WaitGroup
	defer func() { _, _ = client.Close(), server.Close(); peers.Wait() }()
	s := New(Config{
		Protocol: p, Client: relay.NewConn(ourClient), Destination: destination{ourServer},
		GreetingWait: time.Nanosecond, Timeout: 30 * time.Second, IdleTimeout: time.Minute,
	})
	defer s.Close()
	peers.Go(func() {
		r := bufio.NewReader(server)
		for _, err := io.WriteString(server, greeting); err == nil; _, err = io.WriteString(server, "250 ok\r\n") {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
	})
	peers.Go(func() {
		r := bufio.NewReader(client)
		if _, err := r.ReadString('\n'); err == nil {
			speak(client, r)
		}
	})
	start := time.Now()
	err := s.Negotiate(t.Context())
	return time.Since(start), err
}

// A client has five minutes for each command before TLS, and ten for all of them,
// whatever the timeout of the other steps is.
func TestTimeBeforeTLS(t *testing.T) {
	t.Parallel()
	silent := func(net.Conn, *bufio.Reader) {}
	half := func(c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, "EHL") }
	for name, tt := range map[string]struct {
		protocol record.Protocol
		greeting string
		client   func(client net.Conn, r *bufio.Reader)
		took     time.Duration
	}{
		"silence":         {record.ProtocolSMTP, "220 mx\r\n", silent, 5 * time.Minute},
		"half a command":  {record.ProtocolSMTP, "220 mx\r\n", half, 5 * time.Minute},
		"a slow command":  {record.ProtocolSMTP, "220 mx\r\n", says("NOOP\r\n", 4*time.Minute), 10 * time.Minute},
		"many quick ones": {record.ProtocolSMTP, "220 mx\r\n", says("NOOP\r\n", 25*time.Second), 10 * time.Minute},
		"silence, POP3":   {record.ProtocolPOP3, "+OK\r\n", silent, 5 * time.Minute},
		"silence, IMAP":   {record.ProtocolIMAP, "* OK\r\n", silent, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took, err := negotiate(t, tt.protocol, tt.greeting, tt.client)
				var f *record.Failure
				if !errors.As(err, &f) || f.Reason != record.ReasonHelloTimeout {
					t.Errorf("ended with %v", err)
				}
				if took.Truncate(time.Second) != tt.took {
					t.Errorf("ended after %v, want %v", took, tt.took)
				}
			})
		})
	}
}
