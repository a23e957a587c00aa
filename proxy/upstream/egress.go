package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// maxResponseHeader bounds what an egress proxy may answer to CONNECT.
	maxResponseHeader = 16 << 10
	// maxStatusLine bounds what of the answer is repeated in an error.
	maxStatusLine = 200
)

// An egressProxy is what Config.Proxy says. Its errors name the address and
// never the URL, which may hold a password.
type egressProxy struct {
	address       string // as the operator wrote it
	name          string // for the certificate of an https proxy
	secure        bool
	authorization string // the value of Proxy-Authorization, or empty
}

func newEgressProxy(u *url.URL) (*egressProxy, error) {
	if u == nil {
		return nil, nil
	}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if port == "" {
		return nil, errors.New("the scheme must be http or https")
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("nothing may follow the host and port")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	p := &egressProxy{address: net.JoinHostPort(u.Hostname(), port), secure: u.Scheme == "https"}
	to, err := parseEndpoint(p.address)
	if err != nil {
		return nil, err
	}
	p.name = to.host
	p.authorization, err = basicAuthorization(u.User)
	return p, err
}

// basicAuthorization is RFC 7617 section 2.
func basicAuthorization(user *url.Userinfo) (string, error) {
	if user == nil {
		return "", nil
	}
	if strings.Contains(user.Username(), ":") {
		return "", errors.New("the user name must not contain a colon")
	}
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)), nil
}

// dialThroughProxy opens a tunnel to target, whose name the proxy resolves;
// g can only judge a literal address.
func (d *Dialer) dialThroughProxy(ctx context.Context, target string, g *guard) (net.Conn, error) {
	if literal, err := netip.ParseAddrPort(target); err == nil {
		if err := g.check(literal); err != nil {
			return nil, err
		}
	}
	conn, err := d.dialAddress(ctx, d.proxy.address, d.operatorGuard())
	if err != nil {
		return nil, d.proxy.wrap(err)
	}
	release := bind(ctx, conn)
	tunnel, err := d.openTunnel(ctx, conn, target)
	if inTime := release(); !inTime && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close() // the error that counts is err
		return nil, d.proxy.wrap(err)
	}
	return tunnel, nil
}

// wrap keeps the kind of a refused address: the cure for a proxy that is
// tlslift itself is another one.
func (p *egressProxy) wrap(err error) error {
	wrapped := fmt.Errorf("egress proxy %s: %w", p.address, err)
	if isClassified(err) {
		return wrapped
	}
	return &classified{record.ReasonEgressProxyFailed, wrapped}
}

// bind lets ctx end all waiting on conn until release is called. When ctx was
// first, release returns false and conn is of no more use.
func bind(ctx context.Context, conn net.Conn) (release func() bool) {
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(expired)
		_ = conn.SetDeadline(time.Unix(1, 0)) // fails only on a closed conn
	})
	return func() bool {
		inTime := stop()
		if !inTime {
			<-expired
		}
		return inTime
	}
}

func (d *Dialer) openTunnel(ctx context.Context, conn net.Conn, target string) (net.Conn, error) {
	if d.proxy.secure {
		// Our client certificate is for destinations, not for the proxy, and
		// neither are sessions shared between the two.
		secure := tls.Client(conn, d.tlsConfig(d.proxy.name, "proxy "+d.proxy.address))
		if err := handshake(ctx, secure); err != nil {
			return nil, err
		}
		conn = secure
	}
	if _, err := io.WriteString(conn, d.proxy.request(target)); err != nil {
		return nil, fmt.Errorf("sending CONNECT: %w", err)
	}
	code, line, err := readConnectResponse(conn)
	if err != nil {
		return nil, fmt.Errorf("reading answer to CONNECT: %w", err)
	}
	return conn, d.proxy.judge(code, line)
}

// request is RFC 9110 section 9.3.6. The target is a checked host:port, so
// nothing can be smuggled into the header with it.
func (p *egressProxy) request(target string) string {
	authorization := ""
	if p.authorization != "" {
		authorization = "Proxy-Authorization: " + p.authorization + "\r\n"
	}
	return "CONNECT " + target + " HTTP/1.1\r\n" +
		"Host: " + target + "\r\n" +
		"User-Agent: tlslift\r\n" +
		authorization + "\r\n"
}

func (p *egressProxy) judge(code int, line string) error {
	switch {
	case code >= 200 && code <= 299:
		return nil
	case code == 407 && p.authorization == "":
		return fmt.Errorf("answered %q: its URL needs a user name and password", line)
	case code == 407:
		return fmt.Errorf("answered %q: it does not accept the user name and password in its URL", line)
	}
	return fmt.Errorf("answered %q", line)
}

// readConnectResponse reads the header of the answer to CONNECT and not one
// byte more: what follows belongs to the tunnel. It reads byte by byte, which
// costs little once per connection and leaves a plain *net.TCPConn that can be
// spliced, with no buffer in front of it.
//
// Header fields are not looked at: none matters in a good answer (RFC 9110
// section 9.3.6).
func readConnectResponse(r io.Reader) (code int, line string, err error) {
	var header []byte
	next := make([]byte, 1)
	for !bytes.HasSuffix(header, []byte("\n\r\n")) && !bytes.HasSuffix(header, []byte("\n\n")) {
		if len(header) == maxResponseHeader {
			return 0, "", fmt.Errorf("header is longer than %d bytes", maxResponseHeader)
		}
		if _, err := io.ReadFull(r, next); errors.Is(err, io.EOF) {
			return 0, "", io.ErrUnexpectedEOF
		} else if err != nil {
			return 0, "", err
		}
		header = append(header, next[0])
	}
	first, _, _ := bytes.Cut(header, []byte("\n"))
	line = netname.Text(string(bytes.TrimRight(first, "\r")), maxStatusLine)
	code, err = statusCode(line)
	return code, line, err
}

// statusCode is RFC 9112 section 4.
func statusCode(line string) (int, error) {
	version, rest, _ := strings.Cut(line, " ")
	digits, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	code, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || len(digits) != 3 || !strings.HasPrefix(version, "HTTP/1.") {
		return 0, fmt.Errorf("%q is not an HTTP/1 status line", line)
	}
	return int(code), nil
}
