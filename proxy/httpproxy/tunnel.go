package httpproxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/elazarl/goproxy"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Tunnel is a CONNECT request (RFC 9110 section 9.3.6).
type Tunnel struct {
	// Target is host:port as the client wrote it.
	Target string
	// Proto is the client's version of HTTP, "HTTP/1.0" or "HTTP/1.1".
	Proto string
	// IsOpen means that the client has had a positive answer.
	IsOpen bool
}

// Open sends the client the positive answer.
func (t *Tunnel) Open(client net.Conn, timeout time.Duration) error {
	if err := client.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	if _, err := io.WriteString(client, t.Proto+" 200 Connection established\r\n\r\n"); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	t.IsOpen = true
	if err := client.SetWriteDeadline(time.Time{}); err != nil {
		return record.Fail(record.ReasonClosedBeforeHello, err)
	}
	return nil
}

// connect takes every CONNECT request out of goproxy's hands.
func connect(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
	return &goproxy.ConnectAction{Action: goproxy.ConnectHijack, Hijack: hijackTunnel}, host
}

func hijackTunnel(r *http.Request, _ net.Conn, _ *goproxy.ProxyCtx) {
	v := sessionOf(r.Context())
	v.tunnel = &Tunnel{Target: r.URL.Host, Proto: r.Proto}
	v.finish()
}

// A responseWriter sends each part of an answer as it comes, and keeps the bytes that
// the HTTP server has read beyond a CONNECT request: an eager client sends its
// ClientHello in the same segment.
type responseWriter struct {
	http.ResponseWriter
	session *session
	connect bool
}

// Unwrap lets http.ResponseController find the server's own writer.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write sends a part of a destination's answer at once: the next may come much later.
func (w *responseWriter) Write(p []byte) (int, error) {
	control := http.NewResponseController(w.ResponseWriter)
	// The read is the HTTP server's own, which finds out that the client has gone.
	err := errors.Join(w.session.await(), w.session.SetWriteDeadline(time.Now().Add(w.session.idle)))
	n := 0
	if err == nil {
		n, err = w.ResponseWriter.Write(p)
	}
	if err == nil && w.session.streams {
		err = control.Flush()
	}
	if err != nil {
		w.session.cutOff(clientFailure(err))
	}
	return n, err
}

// Hijack gives the bytes back to the client's own reader.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !w.connect {
		return nil, nil, errors.New("hijacking: only CONNECT becomes a tunnel")
	}
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("hijacking: %w", err)
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, fmt.Errorf("taking early bytes: %w", err)
	}
	w.session.Client.Conn.Unread(early)
	rw.Reader.Reset(conn)
	return conn, rw, nil
}
