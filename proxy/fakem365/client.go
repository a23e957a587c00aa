package fakem365

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365/legacyclient"
)

const (
	defaultClientTimeout = 10 * time.Second
	maxConnectAnswer     = 64 << 10
	maxAnswer            = 1 << 20
)

// A Client is a program that wants something of Microsoft 365, as old as its
// fields make it. It always verifies the server's certificate. The zero value
// is a modern one that goes by the system's resolver and roots.
type Client struct {
	// Proxy is the host:port of an HTTP proxy that is asked to CONNECT; empty
	// means none.
	Proxy string
	// Address is the host:port to dial in place of the target's own, whose
	// name is asked for and verified as before; empty means the target's. With
	// Proxy it is not looked at.
	Address string
	// Roots are trusted; nil means the system's.
	Roots *x509.CertPool
	// Certificate is shown when the server asks for one; nil means none.
	Certificate *tls.Certificate
	// MaxVersion is the newest TLS spoken; zero means TLS 1.3.
	MaxVersion uint16
	// MinVersion is the oldest TLS spoken; zero means TLS 1.2, or MaxVersion
	// where that is older.
	MinVersion uint16
	// CipherSuites are those offered up to TLS 1.2; nil means those of
	// crypto/tls, which are all ECDHE.
	CipherSuites []uint16
	// ALPN are the application protocols offered; nil means that the client
	// leaves ALPN out.
	ALPN []string
	// Sessions makes the client resume earlier sessions; nil means never.
	Sessions tls.ClientSessionCache
	// Timeout limits Dial, and Get as a whole; zero means 10 seconds.
	Timeout time.Duration
}

// An Answer is what came back over HTTPS.
type Answer struct {
	Status int
	Body   string
	TLS    tls.ConnectionState
}

// A ProxyError is a proxy's refusal to CONNECT.
type ProxyError struct {
	Status int
	Body   string // what the proxy said about it
}

func (e *ProxyError) Error() string {
	return fmt.Sprintf("the proxy answered CONNECT with %d %s: %s",
		e.Status, http.StatusText(e.Status), strings.TrimSpace(e.Body))
}

// Alert returns the fatal TLS alert in err by which the other side ended the
// connection, in words, such as "protocol version not supported". It is empty
// when there was none.
func Alert(err error) string {
	// crypto/tls keeps the type of a received alert to itself; this is how it
	// marks one.
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

// Get fetches url, such as https://outlook.office365.com/, over a connection
// of its own.
func (c *Client) Get(ctx context.Context, url string) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("preparing a request: %w", err)
	}
	if request.URL.Scheme != "https" {
		return nil, fmt.Errorf("getting %s: only https is spoken here", url)
	}
	response, err := c.HTTP().Do(request)
	if err != nil {
		return nil, err // net/http says what it did to which URL
	}
	defer response.Body.Close()
	body, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	return &Answer{Status: response.StatusCode, Body: string(body), TLS: *response.TLS}, nil
}

// GetLegacy fetches an https URL as package legacyclient does. Of the client's
// fields only Proxy, Address, Roots and Timeout matter. The answer comes with its
// header. A refusal by an alert is a tls.AlertError.
func (c *Client) GetLegacy(ctx context.Context, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("reading the URL: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	conn, err := c.reach(ctx, net.JoinHostPort(u.Hostname(), "443"))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", fmt.Errorf("limiting the connection: %w", err)
		}
	}
	return legacyclient.Get(conn, u, c.Roots)
}

// HTTP returns an HTTP client that uses Dial for each request, and so leaves no
// connection open. It follows no redirects.
func (c *Client) HTTP() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialTLSContext: func(ctx context.Context, _, target string) (net.Conn, error) {
				return c.Dial(ctx, target)
			},
			DisableKeepAlives:      true,
			ForceAttemptHTTP2:      slices.Contains(c.ALPN, "h2"),
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Dial opens TLS to target, a host:port, by the client's own way there.
func (c *Client) Dial(ctx context.Context, target string) (*tls.Conn, error) {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return nil, fmt.Errorf("reading the target: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	conn, err := c.reach(ctx, target)
	if err != nil {
		return nil, err
	}
	// A TLS server does not speak first, so what came early is not TLS.
	if _, early := conn.(*earlyConn); early {
		_ = conn.Close() // unread bytes are what is wrong with it
		return nil, errors.New("the proxy sent bytes of its own after its answer to CONNECT")
	}
	secure := tls.Client(conn, c.tlsConfig(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // by a cancelled ctx it is closed already
		return nil, fmt.Errorf("shaking hands with %s: %w", host, err)
	}
	return secure, nil
}

func (c *Client) tlsConfig(host string) *tls.Config {
	config := &tls.Config{
		ServerName:         host,
		RootCAs:            c.Roots,
		MinVersion:         c.MinVersion,
		MaxVersion:         c.MaxVersion,
		CipherSuites:       c.CipherSuites,
		NextProtos:         c.ALPN,
		ClientSessionCache: c.Sessions,
	}
	if config.MaxVersion == 0 {
		config.MaxVersion = tls.VersionTLS13
	}
	if config.MinVersion == 0 {
		config.MinVersion = min(tls.VersionTLS12, config.MaxVersion)
	}
	if c.Certificate != nil {
		config.Certificates = []tls.Certificate{*c.Certificate}
	}
	return config
}

// reach opens the connection that TLS is to run over.
func (c *Client) reach(ctx context.Context, target string) (net.Conn, error) {
	address := target
	if c.Address != "" {
		address = c.Address
	}
	if c.Proxy != "" {
		address = c.Proxy
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", address, err)
	}
	if c.Proxy == "" {
		return conn, nil
	}
	early, err := askProxy(ctx, conn, target)
	if err != nil {
		_ = conn.Close() // err is what matters
		return nil, err
	}
	if len(early) > 0 {
		return &earlyConn{Conn: conn, reader: io.MultiReader(bytes.NewReader(early), conn)}, nil
	}
	return conn, nil
}

// earlyConn is a connection whose first bytes came with the proxy's answer, as
// those of a server that greets may.
type earlyConn struct {
	net.Conn
	reader io.Reader
}

func (c *earlyConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// askProxy has the proxy at the other end of conn CONNECT to target. It returns
// what came with the answer.
func askProxy(ctx context.Context, conn net.Conn, target string) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target); err != nil {
		return nil, fmt.Errorf("asking the proxy for %s: %w", target, err)
	}
	reader := bufio.NewReader(io.LimitReader(conn, maxConnectAnswer))
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("reading the proxy's answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		// What could be read of the reason is better than none.
		body, _ := io.ReadAll(response.Body)
		return nil, &ProxyError{Status: response.StatusCode, Body: string(body)}
	}
	early, err := reader.Peek(reader.Buffered())
	if err != nil {
		return nil, fmt.Errorf("reading what came with the proxy's answer: %w", err)
	}
	return early, nil
}

func (c *Client) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return defaultClientTimeout
}
