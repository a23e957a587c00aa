package prologue

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
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
	s := &stage{t: t, session: New(p)}
	var near net.Conn
	near, s.clientConn = pipe(t)
	s.session.Client = sideOf(near)
	near, s.serverConn = pipe(t)
	s.session.Upstream = sideOf(near)
	s.client = readWriter(s.clientConn)
	s.server = readWriter(s.serverConn)
	return s
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

func sideOf(conn net.Conn) Side {
	return Side{Conn: conn, Reader: bufio.NewReaderSize(conn, 16<<10), Timeout: patience}
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

// An end is what became of an opening.
type end struct {
	next    Next
	pending string
	err     error
}

// converse runs the opening while the script is played, and makes sure that
// neither peer has heard more than the script says.
func (s *stage) converse(script string) end {
	s.t.Helper()
	return s.during(script, func() (e end) {
		var pending []byte
		if s.session.opening.lines == nil {
			e.err = s.session.Greet()
		}
		if e.err == nil {
			e.next, pending, e.err = s.session.Converse()
		}
		e.pending = string(pending)
		return e
	})
}

// during runs one part of a session while the script is played.
func (s *stage) during(script string, run func() end) end {
	s.t.Helper()
	ended := make(chan end, 1)
	go func() {
		e := run()
		_ = s.session.Client.Conn.Close()
		_ = s.session.Upstream.Conn.Close()
		ended <- e
	}()
	s.play(script)
	s.silent("client", s.client)
	s.silent("destination", s.server)
	return <-ended
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

// kindOf is the kind of an opening's error; empty for nil.
func kindOf(t *testing.T, err error) Kind {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *Error", err)
	}
	return e.Kind
}
