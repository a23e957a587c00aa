// Package load is the load generator: old and new clients that check each answer. What a
// proxy refuses, or answers wrongly, is an error here and never a measurement.
package load

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/backend"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/identity"
)

// A Target is where clients connect, and what they expect there.
type Target struct {
	Address string   // of the proxy
	Connect string   // host:port to say in CONNECT; empty without
	Roots   []string // files of the roots that clients trust
	Version uint16   // of TLS, the client's only one
	Suite   uint16   // the client's only cipher suite up to TLS 1.2; 0 for those of Go
	Resumes bool     // each connection but the first resumes its session
}

// exchangeTimeout bounds one step of a client: a handshake, an answer.
const exchangeTimeout = 30 * time.Second

// bulkTimeout bounds one transfer.
const bulkTimeout = 5 * time.Minute

// A Session is a client's connection, with TLS.
type Session struct {
	conn *tls.Conn
	r    *bufio.Reader
	host string // in requests
}

// Close ends the session with a close_notify.
func (s *Session) Close() { s.conn.Close() }

// config returns the client's TLS.
func (t Target) config(host string) (*tls.Config, error) {
	roots := x509.NewCertPool()
	for _, file := range t.Roots {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the roots: %w", err)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the roots: %s has no certificate", file)
		}
	}
	c := &tls.Config{ServerName: host, RootCAs: roots, MinVersion: t.Version, MaxVersion: t.Version}
	if t.Suite != 0 {
		c.CipherSuites = []uint16{t.Suite}
	}
	return c, nil
}

// Open connects to the target and completes the handshake.
func (t Target) Open(ctx context.Context) (*Session, error) {
	config, err := t.config(identity.Host)
	if err != nil {
		return nil, err
	}
	return t.open(ctx, config)
}

func (t Target) open(ctx context.Context, config *tls.Config) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	if err := t.connect(raw); err != nil {
		raw.Close()
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %s", exchangeTimeout)
		}
		return nil, fmt.Errorf("the client's handshake: %w", err)
	}
	if err := t.checkState(conn.ConnectionState()); err != nil {
		conn.Close()
		return nil, err
	}
	// A proxy that reads requests goes where they say, and not where CONNECT did.
	return &Session{conn: conn, r: bufio.NewReaderSize(conn, 32<<10), host: cmp.Or(t.Connect, identity.Host)}, nil
}

// connect asks for a tunnel, if the target is an HTTP proxy.
func (t Target) connect(raw net.Conn) error {
	if t.Connect == "" {
		return nil
	}
	if err := raw.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(raw, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", t.Connect); err != nil {
		return fmt.Errorf("sending CONNECT: %w", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(raw), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("reading the answer to CONNECT: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer to CONNECT is %s", resp.Status)
	}
	return raw.SetDeadline(time.Time{})
}

// checkState fails if the handshake was not the one that is measured.
func (t Target) checkState(s tls.ConnectionState) error {
	if s.Version != t.Version || t.Suite != 0 && s.CipherSuite != t.Suite {
		return fmt.Errorf("the client got %s with %s", tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite))
	}
	switch {
	case s.DidResume && !t.Resumes:
		return errors.New("the session was resumed, and not full")
	case !s.DidResume && t.Resumes:
		return errors.New("the session was not resumed")
	}
	return nil
}

// do sends a request and returns the checked answer; the caller reads its body.
func (s *Session) do(head string, body io.Reader, timeout time.Duration) (*http.Response, error) {
	if err := s.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(s.conn, head); err != nil {
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	if body != nil {
		// No larger writes than a client makes that reads a file.
		if _, err := io.CopyBuffer(struct{ io.Writer }{s.conn}, body, make([]byte, 32<<10)); err != nil {
			return nil, fmt.Errorf("sending the content: %w", err)
		}
	}
	resp, err := http.ReadResponse(s.r, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", resp.Status)
	}
	if v := resp.Header.Get(backend.VersionHeader); v != tls.VersionName(tls.VersionTLS12) {
		return nil, fmt.Errorf("the destination was reached with %q and not with TLS 1.2", v)
	}
	return resp, nil
}

// Echo sends a text and reads it back.
func (s *Session) Echo(text string) error {
	resp, err := s.do("GET /echo/"+text+" HTTP/1.1\r\nHost: "+s.host+"\r\n\r\n", nil, exchangeTimeout)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("reading the echo: %w", err)
	}
	if string(got) != text {
		return fmt.Errorf("the echo of %q is %q", text, got)
	}
	return nil
}

// Download takes n bytes and checks each.
func (s *Session) Download(n int64) error {
	resp, err := s.do(fmt.Sprintf("GET /bytes/%d HTTP/1.1\r\nHost: %s\r\n\r\n", n, s.host), nil, bulkTimeout)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := backend.Check(resp.Body)
	if err == nil && got != n {
		err = fmt.Errorf("%d bytes came, not %d", got, n)
	}
	return err
}

// Upload sends n bytes, which the backend checks.
func (s *Session) Upload(n int64) error {
	head := fmt.Sprintf("PUT /bytes HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", s.host, n)
	resp, err := s.do(head, backend.Content(n), bulkTimeout)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 64))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if string(got) != strconv.FormatInt(n, 10) {
		return fmt.Errorf("%s bytes arrived, not %d", strings.TrimSpace(string(got)), n)
	}
	return nil
}

// Connections makes n connections, at most atOnce at a time, each with one small exchange,
// and returns how long each took in seconds. The first error ends it. One more comes before
// them if they are to resume its session.
func (t Target) Connections(ctx context.Context, n, atOnce int) ([]float64, error) {
	config, err := t.config(identity.Host)
	if err != nil {
		return nil, err
	}
	one := func(ctx context.Context, t Target, i int) error {
		s, err := t.open(ctx, config)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Echo(strconv.Itoa(i))
	}
	if t.Resumes {
		first := t
		first.Resumes, config.ClientSessionCache = false, tls.NewLRUClientSessionCache(1)
		if err := one(ctx, first, 0); err != nil {
			return nil, fmt.Errorf("the connection that is to be resumed: %w", err)
		}
	}
	return each(ctx, n, atOnce, func(ctx context.Context, i int) error { return one(ctx, t, i) })
}

// each calls f for 0 to n-1, at most atOnce at a time, until one fails. It returns how long
// each call took, in seconds.
func each(ctx context.Context, n, atOnce int, f func(ctx context.Context, i int) error) ([]float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	took := make([]float64, n)
	var workers sync.WaitGroup
	work := func() {
		defer workers.Done()
		for i := range next {
			began := time.Now()
			if err := f(ctx, i); err != nil {
				cancel(fmt.Errorf("connection %d of %d: %w", i+1, n, err))
				return
			}
			took[i] = time.Since(began).Seconds()
		}
	}
	for range min(n, atOnce) {
		workers.Add(1)
		go work()
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return took, nil
}

// Hold opens n sessions with one exchange and so many bytes each way in each, and calls idle
// while all are open and silent.
func (t Target) Hold(ctx context.Context, n int, size int64, idle func() error) error {
	config, err := t.config(identity.Host)
	if err != nil {
		return err
	}
	sessions := make([]*Session, n)
	defer func() {
		for _, s := range sessions {
			if s != nil {
				s.Close()
			}
		}
	}()
	_, err = each(ctx, n, 8, func(ctx context.Context, i int) error {
		s, err := t.open(ctx, config)
		if err != nil {
			return err
		}
		sessions[i] = s
		if err := s.Echo(strconv.Itoa(i)); err != nil || size == 0 {
			return err
		}
		if err := s.Upload(size); err != nil {
			return err
		}
		return s.Download(size)
	})
	if err != nil {
		return err
	}
	if err := idle(); err != nil {
		return err
	}
	// Those that a proxy closed in the meantime were no idle sessions.
	_, err = each(ctx, n, 8, func(_ context.Context, i int) error { return sessions[i].Echo(strconv.Itoa(i)) })
	return err
}
