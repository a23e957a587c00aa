package mailcheck

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// maxLine is above the lines of all three protocols, and above a challenge.
	maxLine = 8 << 10
	// maxLines is above the lines of every reply.
	maxLines = 200
	// maxShown bounds what an error repeats of a reply.
	maxShown = 300
	// quitTime is how long the end of a dialogue may take.
	quitTime = 2 * time.Second
)

// errMalformed is the error for what is no reply.
var errMalformed = errors.New("what it sent is no reply")

// A talk is the dialogue with a destination.
type talk struct {
	conn net.Conn
	in   *bufio.Reader
}

func newTalk(conn net.Conn) *talk { return &talk{conn: conn, in: bufio.NewReaderSize(conn, maxLine)} }

// begin lets reads and writes take as long as ctx. The caller calls stop at the end.
func (t *talk) begin(ctx context.Context) (stop func()) {
	deadline, _ := ctx.Deadline()
	_ = t.conn.SetDeadline(deadline) // a connection without one is closed
	conn := t.conn
	ended := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() { ended() }
}

// use goes on inside TLS.
func (t *talk) use(conn net.Conn) { t.conn, t.in = conn, bufio.NewReaderSize(conn, maxLine) }

// isDrained reports whether everything that has arrived was read.
func (t *talk) isDrained() bool { return t.in.Buffered() == 0 }

// quit ends the dialogue. Whether the destination answers does not matter any more.
func (t *talk) quit(d dialect) {
	_ = t.conn.SetDeadline(time.Now().Add(quitTime))
	_, _ = t.ask(d, d.quit())
}

func (t *talk) close() { _ = t.conn.Close() }

// line reads a line, without its end.
func (t *talk) line() (string, error) {
	line, err := t.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("%w: a line is too long", errMalformed)
	case err != nil:
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// write sends lines, which have their ends.
func (t *talk) write(lines string) error {
	if _, err := t.conn.Write([]byte(lines)); err != nil {
		return ioFailure("writing to", err)
	}
	return nil
}

// A reply is what the destination says to a command.
type reply struct {
	lines  []string
	ok     bool
	goesOn bool // it waits for more of the command
}

// last returns the last line, as an error may show it.
func (r reply) last() string {
	if len(r.lines) == 0 {
		return ""
	}
	return netname.Cut(r.lines[len(r.lines)-1], maxShown)
}

// bytes returns the reply as it came.
func (r reply) bytes() []byte { return []byte(strings.Join(r.lines, "\r\n") + "\r\n") }

// read reads a reply to a command; an empty command means the greeting.
func (t *talk) read(d dialect, command string) (reply, error) {
	var r reply
	for len(r.lines) < maxLines {
		line, err := t.line()
		if err == nil {
			r.lines = append(r.lines, line)
			var done bool
			if done, err = d.done(&r, command); err == nil && done {
				return r, nil
			}
		}
		if err != nil {
			return r, ioFailure("reading from", err)
		}
	}
	return r, ioFailure("reading from", fmt.Errorf("%w: it has too many lines", errMalformed))
}

// ask sends a command and returns its reply. Only an IMAP server may say something
// without being asked (RFC 9051 section 7).
func (t *talk) ask(d dialect, command string) (reply, error) {
	if _, is := d.(imap); !is && !t.isDrained() {
		return reply{}, record.Fail(record.ReasonUpstreamReplyInjected, errors.New("the destination sent a reply without being asked"))
	}
	if err := t.write(command + "\r\n"); err != nil {
		return reply{}, err
	}
	return t.read(d, command)
}
