package mail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// Limits of what is read before TLS. A sign-in takes up to 12288 bytes (RFC
// 4954 section 4); of a destination, capability lists are the longest lines.
const (
	maxClientLine   = 12288 + 2
	maxUpstreamLine = 4 << 10

	maxReplyLines = 128
	maxReply      = 32 << 10
	maxCommands   = 50
)

// How long a client may take before TLS: for each command (RFC 5321 section
// 4.5.3.2.7), and for all of them.
const (
	commandTimeout     = 5 * time.Minute
	negotiationTimeout = 10 * time.Minute
)

// A side is one of the two peers of a session, with the reasons for which it ends.
type side struct {
	conn     net.Conn
	reader   *bufio.Reader // the one reader of conn
	name     string
	maxLine  int
	timeout  time.Duration // of each command or reply
	writing  time.Duration // of each write
	deadline time.Time     // of all that is read; zero means none

	closed, timedOut, malformed record.Reason
}

// side returns the client before its TLS.
func (c *client) side() *side {
	return &side{
		conn: c.cfg.Client.Conn, reader: c.cfg.Client.Reader(), name: "client", maxLine: maxClientLine,
		timeout: commandTimeout, writing: c.cfg.Timeout, deadline: c.deadline,
		closed: record.ReasonClosedBeforeTLS, timedOut: record.ReasonHelloTimeout, malformed: record.ReasonMalformedBeforeTLS,
	}
}

// insideSide returns the client inside its TLS.
func (c *client) insideSide() *side {
	return &side{
		conn: c.inside.Conn, reader: c.inside.Reader(), name: "client", maxLine: maxClientLine,
		timeout: c.cfg.IdleTimeout, writing: c.cfg.IdleTimeout,
		closed: record.ReasonClosedBeforeTLS, timedOut: record.ReasonIdleTimeout, malformed: record.ReasonMalformedBeforeTLS,
	}
}

// side returns the destination.
func (u *upstream) side() *side {
	return &side{
		conn: u.conn.Conn, reader: u.conn.Reader(), name: "destination", maxLine: maxUpstreamLine,
		timeout: u.cfg.Timeout, writing: u.cfg.Timeout,
		closed: record.ReasonUpstreamClosed, timedOut: record.ReasonUpstreamTimeout, malformed: record.ReasonUpstreamReplyMalformed,
	}
}

// begin starts the time for a command or a reply.
func (s *side) begin() error {
	end := time.Now().Add(s.timeout)
	if !s.deadline.IsZero() && s.deadline.Before(end) {
		end = s.deadline
	}
	if err := s.conn.SetReadDeadline(end); err != nil {
		return s.readError(err)
	}
	return nil
}

// line reads one line and returns it without its end, which may be a bare LF or
// have several CRs: some devices send no CR, some two. The bytes are good until the
// next read. The time has begun.
//
// With errControl the line is returned too, and with errLineTooLong what was read
// of it, with its end if that was read.
func (s *side) line() ([]byte, error) {
	line, err := s.reader.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(line) > s.maxLine:
		return line, s.readError(errLineTooLong)
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && len(bytes.TrimSpace(line)) > 0:
		return nil, s.readError(fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err))
	case err != nil:
		return nil, s.readError(err)
	}
	line = bytes.TrimRight(line[:len(line)-1], "\r")
	// A CR or NUL inside a line means different lines to different programs.
	switch {
	case bytes.IndexByte(line, '\r') >= 0:
		return line, s.readError(errControl)
	case bytes.IndexByte(line, 0) >= 0:
		return line, s.readError(errNUL)
	}
	return line, nil
}

// read reads the whole reply to a command.
func (s *side) read(d dialect.Dialect, cmd dialect.Command) (dialect.Reply, error) {
	var r dialect.Reply
	if err := s.begin(); err != nil {
		return r, err
	}
	for size := 0; ; {
		line, err := s.line()
		if err != nil {
			return r, err
		}
		size += len(line)
		r.Lines = append(r.Lines, bytes.Clone(line))
		if cmd.Kind == dialect.Auth && dialect.IsChallenge(line) {
			r.GoesOn = true
			return r, nil
		}
		last, ok, err := d.Done(cmd, line, len(r.Lines))
		switch {
		case err != nil:
			return r, s.malformedError(err)
		case last:
			r.OK = ok
			return r, nil
		case len(r.Lines) >= maxReplyLines || size > maxReply:
			return r, s.malformedError(errors.New("a reply does not end"))
		}
	}
}

// write sends whole lines.
func (s *side) write(lines []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.writing)); err != nil {
		return s.writeError(err)
	}
	if _, err := s.conn.Write(lines); err != nil {
		return s.writeError(err)
	}
	return nil
}

// clear removes the deadlines that begin and write have set.
func (s *side) clear() { _ = s.conn.SetDeadline(time.Time{}) }

// isDrained reports whether everything that has arrived was read.
func (s *side) isDrained() bool { return s.reader.Buffered() == 0 }

var (
	errLineTooLong = errors.New("a line is too long")
	errControl     = errors.New("a line has a control character")
	errNUL         = fmt.Errorf("%w: NUL", errControl)
)

// readError gives a failed read of a line its reason.
func (s *side) readError(err error) *record.Failure {
	reason := s.closed
	var f *record.Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason = s.timedOut
	case errors.Is(err, errLineTooLong), errors.Is(err, errControl):
		reason = s.malformed
	}
	return record.Fail(reason, fmt.Errorf("reading from the %s: %w", s.name, err))
}

// writeError gives a failed write its reason: a peer that reads nothing any more.
func (s *side) writeError(err error) *record.Failure {
	reason := s.closed
	if errors.Is(err, os.ErrDeadlineExceeded) {
		reason = s.timedOut
	}
	return record.Fail(reason, fmt.Errorf("writing to the %s: %w", s.name, err))
}

func (s *side) malformedError(err error) *record.Failure {
	return record.Fail(s.malformed, fmt.Errorf("reading from the %s: %w", s.name, err))
}

// rejection is the destination's negative reply, for the client to read.
func rejection(reply []byte) *record.Failure {
	f := record.Fail(record.ReasonUpstreamRefusedSession, fmt.Errorf("the destination said %q", lastLine(reply)))
	f.Reply = reply
	return f
}

// maxShown bounds what an error repeats of a reply.
const maxShown = 200

// lastLine returns the last line of a reply, shortened for an error.
func lastLine(reply []byte) string {
	text := strings.TrimSpace(string(reply))
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	return netname.Cut(text, maxShown)
}
