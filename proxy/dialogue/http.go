package dialogue

import (
	"bytes"
	"errors"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
)

// An httpMethod is what must be known of a request to read its response.
type httpMethod uint8

const (
	httpOther httpMethod = iota
	httpHEAD
	httpCONNECT
)

// http watches a connection of HTTP/1 (RFC 9112), with pipelining: whether a response
// is missing or not whole when it ends. A destination may end one that is idle in
// whatever way. HTTP/2 and what is no HTTP is not understood.
type http struct {
	request, response *httpStream
	pending           queue[httpMethod] // requests whose response is not whole
	method            httpMethod        // of the request whose head is read
	status            string            // of the response that is read
	lost              bool
}

func newHTTP() *http {
	return &http{
		request: newHTTPStream(func(head []byte) bool {
			return len(head) < maxMethod && !bytes.HasSuffix(head, []byte(" "))
		}),
		response: newHTTPStream(upTo(statusLen)),
	}
}

func (h *http) fromClient(p []byte) {
	for len(p) > 0 && !h.lost {
		rest, event, text := h.request.take(p)
		p = rest
		switch event {
		case httpBegun:
			h.lost = !h.beginRequest(text)
		case httpHeadEnded:
			h.lost = !h.pending.push(h.method) || h.request.openBody(true, false) == httpLost
		case httpLost:
			h.lost = true
		}
	}
}

// beginRequest takes the beginning of a request line; false means that it is none.
func (h *http) beginRequest(text string) bool {
	method, isMethod := strings.CutSuffix(text, " ")
	h.method = httpOther
	switch method {
	case "":
		return text == ""
	case "PRI": // the preface of HTTP/2
		return false
	case "HEAD":
		h.method = httpHEAD
	case "CONNECT":
		h.method = httpCONNECT
	}
	return isMethod && !strings.ContainsFunc(method, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func (h *http) fromDestination(p []byte) {
	for len(p) > 0 && !h.lost {
		rest, event, text := h.response.take(p)
		p = rest
		if event == httpBegun {
			h.lost = !h.beginResponse(text)
			continue
		}
		if event == httpHeadEnded {
			event = h.headEnded()
		}
		switch {
		case event == httpLost:
			h.lost = true
		case event == httpEnded && !h.isInterim() && len(h.pending.items) > 0:
			h.pending.pop()
		}
	}
}

// beginResponse takes the beginning of a status line; false means that it is none, or
// that nothing has been asked for. A server may say that it has waited long enough.
func (h *http) beginResponse(text string) bool {
	version, status, _ := strings.Cut(text, " ")
	h.status = status
	isNumber := len(status) == len("200") && strings.Trim(status, "0123456789") == ""
	isHTTP := len(version) == len("HTTP/1.1") && strings.HasPrefix(version, "HTTP/1.")
	return isHTTP && isNumber && (len(h.pending.items) > 0 || status == "408")
}

// isInterim reports whether the final response is still to come.
func (h *http) isInterim() bool { return strings.HasPrefix(h.status, "1") }

// headEnded goes on after the head of a response.
func (h *http) headEnded() httpEvent {
	method := httpOther
	if len(h.pending.items) > 0 {
		method = h.pending.items[0]
	}
	switch {
	case h.status == "101", method == httpCONNECT && strings.HasPrefix(h.status, "2"):
		return httpLost // what follows is another protocol
	case h.isInterim(), method == httpHEAD, h.status == "204", h.status == "304":
		return h.response.openBody(false, true)
	}
	return h.response.openBody(true, true)
}

// isResponse reports whether half a status line, if that is all there is, may be one.
func (h *http) isResponse() bool {
	if h.response.part != httpStart || h.response.isBetween() {
		return true
	}
	const begin = "HTTP/1."
	text := string(h.response.line.head)
	return len(h.pending.items) > 0 && (strings.HasPrefix(text, begin) || strings.HasPrefix(begin, text))
}

func (h *http) finding(e end) Finding {
	awaited := len(h.pending.items) > 0 || !h.response.isBetween()
	switch {
	case h.lost, h.response.part == httpRest, h.request.isInHead(), !h.isResponse():
		return Finding{Lost: true}
	case e.first == destination && awaited:
		return Finding{Failure: record.Fail(record.ReasonUpstreamCutOff,
			errors.New("the destination ended the connection before the end of its HTTP response"))}
	case e.first == client && awaited && !h.request.isBetween():
		return Finding{Failure: record.Fail(record.ReasonClientCutOff,
			errors.New("the client ended the connection in the middle of an HTTP request"))}
	case e.idle && (awaited || !h.request.isBetween()):
		return Finding{Failure: idleIn("an HTTP exchange")}
	}
	return Finding{Lost: awaited}
}
