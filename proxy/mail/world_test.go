package mail

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// patience bounds every wait; a test that runs into it has failed.
const patience = 20 * time.Second

// A stage is a session between two peers whose lines the test writes down.
type stage struct {
	t              *testing.T
	session        *Session
	client, server *bufio.ReadWriter
	clientConn     net.Conn
	serverConn     net.Conn
}

// newStage has the session in the middle of two pipes.
func newStage(t *testing.T, p record.Protocol) *stage {
	t.Helper()
	s := &stage{t: t}
	var ourClient, ourServer net.Conn
	ourClient, s.clientConn = pipe(t)
	ourServer, s.serverConn = pipe(t)
	s.client, s.server = readWriter(s.clientConn), readWriter(s.serverConn)
	s.session = New(Config{
		Protocol: p, Client: relay.NewConn(ourClient), Destination: destination{ourServer},
		GreetingWait: time.Nanosecond, Timeout: patience, IdleTimeout: patience,
	})
	return s
}

// A destination is one that is connected already, and whose TLS is not there: the
// peer of a test says in plaintext what would be inside it.
type destination struct{ net.Conn }

func (d destination) Dial(context.Context) (net.Conn, error)      { return d.Conn, nil }
func (d destination) Handshake(context.Context) (net.Conn, error) { return d.Conn, nil }

// secure puts the session inside the destination's TLS.
func (s *stage) secure() {
	s.session.upstream.replace(s.session.Destination.(destination).Conn, upstreamSecured)
}

func pipe(t *testing.T) (near, far net.Conn) {
	t.Helper()
	near, far = net.Pipe()
	if err := far.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near, far
}

func readWriter(conn net.Conn) *bufio.ReadWriter {
	return bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
}

// play follows a script. Each of its lines is said by one peer and expected by
// the other, through the session or from it:
//
//	C: the client says     c: the client hears
//	S: the destination says     s: the destination hears
//
// A line ends in CRLF; | stands for a CRLF inside, in the same segment, and ~
// at the end for a bare LF in its place. "C!" and "S!" close.
func (s *stage) play(script string) {
	s.t.Helper()
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		who, text, _ := strings.Cut(line, ": ")
		switch who {
		case "C":
			s.say(s.client, text)
		case "S":
			s.say(s.server, text)
		case "c":
			s.hear("client", s.client, text)
		case "s":
			s.hear("destination", s.server, text)
		case "C; EHL": // half a command
			if _, err := s.clientConn.Write([]byte("EHL")); err != nil {
				s.t.Fatal(err)
			}
		case "C!":
			_ = s.clientConn.Close()
		case "S!":
			_ = s.serverConn.Close()
		default:
			s.t.Fatalf("not a line of a script: %q", line)
		}
	}
}

func (s *stage) say(to *bufio.ReadWriter, text string) {
	s.t.Helper()
	text, bare := strings.CutSuffix(strings.ReplaceAll(text, "|", "\r\n"), "~")
	wire := text + "\r\n"
	if bare {
		wire = text + "\n"
	}
	if _, err := to.WriteString(wire); err != nil {
		s.t.Fatalf("saying %q: %v", text, err)
	}
	if err := to.Flush(); err != nil {
		s.t.Fatalf("saying %q: %v", text, err)
	}
}

func (s *stage) hear(who string, from *bufio.ReadWriter, want string) {
	s.t.Helper()
	got, err := from.ReadString('\n')
	if err != nil || got != want+"\r\n" {
		s.t.Fatalf("the %s heard %q, %v; want %q", who, got, err, want)
	}
}

// An end is what became of a part of a session.
type end struct {
	plaintext bool   // the client goes on without TLS
	pending   string // what the destination has not had
	err       error
}

// negotiate runs the negotiation while the script is played, and makes sure that
// neither peer has read more than the script says.
func (s *stage) negotiate(script string) end {
	s.t.Helper()
	return s.during(script, func() error {
		if s.session.upstream.phase == upstreamSecured {
			if err := s.session.upstream.readGreeting(); err != nil {
				return err
			}
		} else if err := s.session.upstream.connect(s.t.Context()); err != nil {
			return err
		}
		return s.session.client.negotiate()
	})
}

// during runs one part of a session while the script is played.
func (s *stage) during(script string, run func() error) end {
	s.t.Helper()
	ended := make(chan end, 1)
	go func() {
		err := run()
		_ = s.session.Client.Conn.Close()
		_ = s.session.Destination.(destination).Close()
		ended <- end{s.session.IsPlaintext(), string(s.session.client.pending), err}
	}()
	s.play(script)
	s.silent("client", s.client)
	s.silent("destination", s.server)
	return <-ended
}

// resume runs what comes first inside the client's TLS.
func (s *stage) resume() error {
	s.session.client.inside = s.session.Client
	return s.session.client.resume(s.session.client.insideSide())
}

// silent makes sure that a peer has heard nothing more when the session closes.
func (s *stage) silent(who string, from *bufio.ReadWriter) {
	s.t.Helper()
	rest, err := io.ReadAll(from)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		s.t.Fatalf("waiting for the session to end: %v", err)
	}
	if len(rest) > 0 {
		s.t.Errorf("the %s also heard %q", who, rest)
	}
}

// reasonOf returns the reason for which a session ended; empty for nil.
func reasonOf(t *testing.T, err error) record.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var f *record.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%v is no *record.Failure", err)
	}
	return f.Reason
}
