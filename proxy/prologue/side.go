package prologue

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"time"
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

// A Side is one of the two peers of an opening.
type Side struct {
	Conn net.Conn
	// Reader is the one reader of Conn, and holds at least 16 KiB.
	Reader *bufio.Reader
	// Timeout bounds the reading of each command and of each reply, and each
	// write.
	Timeout time.Duration
}

// side is a Side that knows how to name its failures.
type side struct {
	Side
	name    string
	maxLine int
	kinds   sideKinds
}

type sideKinds struct{ closed, timeout, malformed Kind }

func (s Side) asClient() *side {
	return &side{s, "client", maxClientLine, sideKinds{ClientClosed, ClientTimeout, ClientMalformed}}
}

func (s Side) asUpstream() *side {
	return &side{s, "destination", maxUpstreamLine, sideKinds{UpstreamClosed, UpstreamTimeout, UpstreamMalformed}}
}

// begin starts the time for a command or a reply.
func (s *side) begin() error {
	if err := s.Conn.SetReadDeadline(time.Now().Add(s.Timeout)); err != nil {
		return s.readError(err)
	}
	return nil
}

// line reads one line and returns it without its end, which may be a bare LF:
// some devices send no CR. The bytes are good until the next read. The time has
// begun.
func (s *side) line() ([]byte, error) {
	line, err := s.Reader.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(line) > s.maxLine:
		return nil, s.readError(errLineTooLong)
	case err != nil:
		return nil, s.readError(unexpectedEOF(line, err))
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	// A CR or NUL inside a line means different lines to different programs.
	if bytes.ContainsAny(line, "\r\x00") {
		return nil, s.readError(errControl)
	}
	return line, nil
}

// write sends whole lines.
func (s *side) write(lines []byte) error {
	if err := s.Conn.SetWriteDeadline(time.Now().Add(s.Timeout)); err != nil {
		return s.writeError(err)
	}
	if _, err := s.Conn.Write(lines); err != nil {
		return s.writeError(err)
	}
	return nil
}

// clear removes the deadlines that line and write have set.
func (s *side) clear() { _ = s.Conn.SetDeadline(time.Time{}) }

// silent says that nothing has arrived that was not read.
func (s *side) silent() bool { return s.Reader.Buffered() == 0 }
