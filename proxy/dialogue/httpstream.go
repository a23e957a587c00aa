package dialogue

import (
	"bytes"
	"strconv"
	"strings"
)

const (
	// maxMethod bounds what is held of a request line, and statusLen of a status line,
	// for example "HTTP/1.1 200". Of the target there is nothing.
	maxMethod = 32
	statusLen = 12
	// maxField bounds what is held of a header that says how long a body is. Of others
	// there is the beginning of the name, and nothing of the value.
	maxField = 100
	maxName  = len(transferEncoding)
	// maxSize bounds what is held of the size of a chunk.
	maxSize = 20

	contentLength    = "content-length"
	transferEncoding = "transfer-encoding"
)

// An httpPart is where in a message a stream is.
type httpPart uint8

const (
	httpStart    httpPart = iota // the start line
	httpHead                     // the headers
	httpBody                     // a body of a known length
	httpSize                     // the line with the size of a chunk
	httpChunk                    // a chunk
	httpChunkEnd                 // the end of the line that follows a chunk
	httpTrailer                  // what follows the last chunk
	httpRest                     // a body up to the end of the stream
)

// An httpEvent is what a stream has come to.
type httpEvent uint8

const (
	httpNothing   httpEvent = iota
	httpBegun               // the start line is whole
	httpHeadEnded           // the head is whole; what follows depends on more than that
	httpEnded               // the message is whole
	httpLost                // this is not understood
)

// An httpStream follows the messages that one side sends (RFC 9112).
type httpStream struct {
	line line
	part httpPart
	left uint64 // bytes that are to come of a body or a chunk

	length    uint64 // Content-Length
	hasLength bool
	coding    string // the last of Transfer-Encoding; empty for none
}

// newHTTPStream returns a stream of which the start line is held by keep.
func newHTTPStream(keep func(head []byte) bool) *httpStream {
	s := &httpStream{}
	s.line.keep = func(head []byte) bool {
		switch s.part {
		case httpStart:
			return keep(head)
		case httpHead:
			return keepField(head)
		case httpSize:
			return len(head) < maxSize
		}
		return len(head) < len("\r?")
	}
	return s
}

// keepField reports whether one more byte of a header is held.
func keepField(head []byte) bool {
	name, _, hasValue := bytes.Cut(head, []byte(":"))
	if hasValue {
		return len(head) < maxField && isFraming(string(name))
	}
	return len(head) <= maxName && (len(head) == 0 || !isBlank(head[0]))
}

func isFraming(name string) bool {
	return strings.EqualFold(name, contentLength) || strings.EqualFold(name, transferEncoding)
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// take takes bytes up to the next event, and returns what follows. Text is the start
// line, if that is whole.
func (s *httpStream) take(p []byte) (rest []byte, event httpEvent, text string) {
	switch s.part {
	case httpRest:
		return nil, httpNothing, ""
	case httpBody, httpChunk:
		n := min(uint64(len(p)), s.left)
		if s.left -= n; s.left == 0 {
			event = s.bodyEnded()
		}
		return p[n:], event, ""
	}
	rest, whole := s.line.take(p)
	if !whole {
		return rest, httpNothing, ""
	}
	text = s.line.end()
	return rest, s.takeLine(text), text
}

// bodyEnded goes on after a body or a chunk.
func (s *httpStream) bodyEnded() httpEvent {
	if s.part == httpChunk {
		s.part = httpChunkEnd
		return httpNothing
	}
	return s.end()
}

// end begins the next message.
func (s *httpStream) end() httpEvent {
	s.part, s.hasLength, s.coding = httpStart, false, ""
	return httpEnded
}

func (s *httpStream) takeLine(text string) httpEvent {
	switch s.part {
	case httpStart:
		if text != "" { // old clients send an empty line after a body (RFC 9112 section 2.2)
			s.part = httpHead
		}
		return httpBegun
	case httpHead:
		return s.takeField(text)
	case httpSize:
		return s.takeSize(text)
	case httpChunkEnd:
		if text != "" {
			return httpLost
		}
		s.part = httpSize
	case httpTrailer:
		if text == "" {
			return s.end()
		}
	}
	return httpNothing
}

// takeField takes a header, or the end of the head.
func (s *httpStream) takeField(text string) httpEvent {
	name, value, hasValue := strings.Cut(text, ":")
	switch {
	case text == "":
		return httpHeadEnded
	case isBlank(text[0]), !hasValue && len(text) <= maxName, strings.ContainsAny(name, " \t"), len(text) >= maxField:
		return httpLost
	case strings.EqualFold(name, transferEncoding):
		codings := strings.Split(strings.ToLower(value), ",")
		s.coding = strings.Trim(codings[len(codings)-1], " \t")
		if s.coding == "" {
			return httpLost
		}
	case strings.EqualFold(name, contentLength):
		length, err := strconv.ParseUint(strings.Trim(value, " \t"), 10, 63)
		if err != nil || s.hasLength && length != s.length {
			return httpLost
		}
		s.length, s.hasLength = length, true
	}
	return httpNothing
}

// takeSize takes the size of a chunk.
func (s *httpStream) takeSize(text string) httpEvent {
	digits, _, _ := strings.Cut(text, ";")
	size, err := strconv.ParseUint(strings.Trim(digits, " \t"), 16, 63)
	switch {
	case err != nil:
		return httpLost
	case size == 0:
		s.part = httpTrailer
	default:
		s.part, s.left = httpChunk, size
	}
	return httpNothing
}

// openBody begins the body that follows a head (RFC 9112 section 6.3). The one without
// a length is that of a response.
func (s *httpStream) openBody(hasBody, isResponse bool) httpEvent {
	switch {
	case !hasBody, s.coding == "" && s.hasLength && s.length == 0, s.coding == "" && !s.hasLength && !isResponse:
		return s.end()
	case s.coding == "chunked":
		s.part = httpSize
	case s.coding != "" && !isResponse:
		return httpLost
	case s.coding == "" && s.hasLength:
		s.part, s.left = httpBody, s.length
	default:
		s.part = httpRest
	}
	return httpNothing
}

// isInHead reports whether the stream is in the middle of the head of a message.
func (s *httpStream) isInHead() bool {
	return s.part == httpHead || s.part == httpStart && len(s.line.head) > 0
}

// isBetween reports whether the stream is between two messages.
func (s *httpStream) isBetween() bool { return s.part == httpStart && len(s.line.head) == 0 }
