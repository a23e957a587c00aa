package devicetest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/plan"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/sink"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/signin"
)

const (
	// maxRequest bounds an HTTP request that is read.
	maxRequest = 64 << 10
	// maxShown bounds a name that is shown.
	maxShown = 200
	// defaultWait is how long a mail client may take to begin TLS before it is greeted.
	defaultWait = 300 * time.Millisecond
)

// A connection is one try of a device.
type connection struct {
	*tester
	*relay.Conn
	device      *device
	url         listener.URL
	destination policy.Destination
	session     *sink.Session // nil if the protocol is none of mail
	try         plan.Try
	lingers     bool // the device has to have time to read an answer
}

// talk serves the device, and fills in what it has shown.
func (c *connection) talk(ctx context.Context) {
	c.destination = c.tester.destination(c.url)
	if c.url.Scheme == listener.SchemeProxy && !c.openTunnel() {
		return
	}
	c.findProtocol()
	begun, err := c.begins()
	switch {
	case err != nil:
		return
	case !begun && c.try.OnlyTLS:
		c.try.Outcome = plan.NoTLS
		return
	case begun:
		c.try.ImplicitTLS = true
	default:
		end, err := c.session.Serve(c.Conn, c.Reader())
		if end != sink.StartTLS || err != nil {
			c.try.Session, c.try.Outcome = c.session.Seen, c.outcome()
			return
		}
	}
	inside := c.startTLS(ctx)
	if inside == nil {
		return
	}
	defer inside.Close()
	c.inTLS(inside)
}

// findProtocol finds what is spoken by the listener and the destination.
func (c *connection) findProtocol() {
	protocol := c.url.Scheme.Mail()
	if protocol == "" {
		protocol = listener.MailPort(c.destination.Port).Mail()
	}
	c.try.Protocol = cmp.Or(protocol, record.ProtocolTLS)
	scheme := c.url.Scheme
	if scheme == listener.SchemeProxy {
		scheme = cmp.Or(listener.MailPort(c.destination.Port), listener.SchemeTLS)
	}
	c.try.OnlyTLS = scheme.ImplicitTLS()
	if protocol == "" {
		return
	}
	v := c.try.Variant
	c.session = &sink.Session{
		Protocol: protocol, Host: c.destination.Host, Idle: sayTime, Plaintext: c.mayBePlaintext(),
		Mechanisms: v.Mechanisms(protocol, c.signsInHere()),
	}
}

func (c *connection) signsInHere() bool {
	who := signin.Client{Addr: c.device.addr, Name: c.device.options.Name}
	return c.keeper != nil && c.Policy.TakesTokens(c.destination.Host) && c.keeper.Covers(who, c.url.Scheme.Mail() != "")
}

// mayBePlaintext reports whether the device may go on without TLS.
func (c *connection) mayBePlaintext() bool {
	if p := c.try.Variant.Options.Plaintext; p != clientfile.PlaintextUnset {
		return p == clientfile.PlaintextAllow
	}
	return c.url.Plaintext
}

// openTunnel answers CONNECT. It reports whether the device may go on.
func (c *connection) openTunnel() bool {
	request, err := readRequest(c.Conn, c.Reader())
	if err != nil {
		return false
	}
	c.try.UserAgent = netname.Text(request.UserAgent(), maxShown)
	dest, err := policy.ParseDestination(request.Host)
	if err == nil {
		dest, err = c.Policy.Check(dest.Host, dest.Port)
	}
	if request.Method != http.MethodConnect || err != nil {
		c.try.Outcome, c.try.Reason = plan.Refused, record.ReasonPlaintextNotAllowed
		if err != nil {
			c.try.Reason, c.try.Detail = record.ReasonDestinationNotAllowed, netname.Text(err.Error(), maxShown)
		}
		_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.lingers = true
		return false
	}
	c.destination = dest
	_, err = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	return err == nil
}

// readRequest reads the head of an HTTP request and no byte more: what follows belongs to
// TLS.
func readRequest(conn net.Conn, in io.ByteReader) (*http.Request, error) {
	if err := conn.SetReadDeadline(time.Now().Add(sayTime)); err != nil {
		return nil, err
	}
	var head []byte
	for len(head) < maxRequest && !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		b, err := in.ReadByte()
		if err != nil {
			return nil, err
		}
		head = append(head, b)
	}
	return http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
}

// begins reports whether the connection begins with TLS. The error means that nothing came.
func (c *connection) begins() (bool, error) {
	if !c.try.OnlyTLS {
		wait := c.url.GreetingWait()
		return clienthello.BeginsWithin(c.Conn.Conn, c.Reader(), cmp.Or(wait, defaultWait))
	}
	if err := c.SetReadDeadline(time.Now().Add(cmp.Or(c.hello, helloTime))); err != nil {
		return false, err
	}
	_, err := c.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

// outcome says how far the session of mail has come.
func (c *connection) outcome() plan.Outcome {
	seen := &c.session.Seen
	switch {
	case seen.SignedIn || seen.Mails > 0:
		return plan.Completed
	case !c.session.Secure && !c.session.Plaintext && seen.Spoke():
		return plan.NoTLS
	case c.session.Secure && seen.Inside == 0:
		return plan.Silent
	case seen.Spoke():
		return plan.NoSignIn
	}
	return plan.Nothing
}

// startTLS ends the TLS of the device; it returns nil if there is none.
func (c *connection) startTLS(ctx context.Context) *clienttls.Conn {
	if c.session != nil {
		c.try.Session = c.session.Seen
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Duration(c.Settings.HandshakeTimeout))); err != nil {
		return nil
	}
	hello, err := clienthello.Peek(c.Conn)
	if err != nil {
		c.noHello(err)
		return nil
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil { // the handshake has its own
		return nil
	}
	c.try.Hello = hello
	client := c.client(hello)
	c.try.Decision = c.decide(hello, client.Legacy)
	client.Stack = c.try.Decision.Stack
	if client.Stack == decide.NoStack {
		c.refuse(c.try.Decision.Reason, decide.Describe(hello, c.try.Decision.Reason).Error())
		return nil
	}
	inside, err := c.handshake(ctx, client)
	if err != nil {
		c.try.Outcome, c.try.Reason, c.try.Detail = plan.Failed, asReason(err), netname.Text(err.Error(), maxShown)
		return nil
	}
	agreed := inside.Handshake()
	c.try.Version, c.try.Suite = agreed.Version, agreed.CipherSuite
	return inside
}

// handshake does the handshake as in service, with the variant's options.
func (c *connection) handshake(ctx context.Context, client clienttls.Client) (*clienttls.Conn, error) {
	server, err := c.server(c.try.Variant.ForeignCA)
	if err != nil {
		return nil, err
	}
	leaf, err := server.Leaf(client)
	if err != nil {
		return nil, err
	}
	c.try.ECDSA, c.try.SHA1 = describeLeaf(leaf)
	return server.Handshake(ctx, c.Conn, client, leaf)
}

// client is what the handshake depends on.
func (c *connection) client(hello *clienthello.Hello) clienttls.Client {
	o := c.try.Variant.Options
	host := cmp.Or(c.destination.Host, hello.ServerName, c.Policy.Mail().SMTP.Host)
	return clienttls.Client{
		Hello: hello, Address: c.device.addr, Options: o, Host: host, Destination: c.destination.String(),
		Legacy: legacytls.LegacySuites{
			RC4: o.RC4 || slices.Contains(c.Settings.Ciphers, settings.CipherRC4),
			DES: o.DES || slices.Contains(c.Settings.Ciphers, settings.CipherDES),
		},
	}
}

// decide decides as tlslift does in service.
func (c *connection) decide(hello *clienthello.Hello, legacy legacytls.LegacySuites) decide.Decision {
	circumstance := decide.Circumstance{Legacy: legacy, LeafBits: c.try.Variant.Options.Leaf.Bits, SignIn: c.session != nil && c.signsInHere()}
	if c.session != nil {
		circumstance.Mail = c.session.Protocol
		circumstance.TLSModeMismatch = c.try.ImplicitTLS != listener.MailPort(c.destination.Port).ImplicitTLS()
	}
	if hello.ServerName != "" {
		_, err := c.Policy.Check(hello.ServerName, cmp.Or(c.destination.Port, listener.DefaultTLSPort))
		_, address := policy.ParseDestination(net.JoinHostPort(hello.ServerName, "443"))
		circumstance.ForeignServerName = err != nil && address == nil
	}
	return decide.Decide(hello, circumstance)
}

// noHello says what came in the place of a ClientHello.
func (c *connection) noHello(err error) {
	var notTLS *clienthello.NotTLSError
	switch {
	case errors.As(err, &notTLS) && notTLS.Looks == clienthello.LooksHTTP:
		c.refuse(record.ReasonHTTPOnTLSPort, "")
	case errors.As(err, &notTLS):
		c.refuse(record.ReasonNotTLS, "")
	case errors.Is(err, clienthello.ErrMalformed):
		c.refuse(record.ReasonHelloMalformed, err.Error())
	case errors.Is(err, clienthello.ErrTooLarge):
		c.refuse(record.ReasonHelloTooLarge, "")
	case c.try.Session.StartTLS:
		c.try.Outcome, c.try.Reason = plan.NoTLS, record.ReasonClosedBeforeHello
	}
}

// refuse refuses a hello by an alert.
func (c *connection) refuse(why record.Reason, detail string) {
	c.try.Outcome, c.try.Reason, c.try.Detail = plan.Refused, why, netname.Text(detail, maxShown)
	if c.SetWriteDeadline(time.Now().Add(relay.LingerTime)) != nil {
		return
	}
	_, err := c.Write(clienttls.AlertRecord(c.try.Hello, why.Alert()))
	c.lingers = err == nil
}

// inTLS talks to the device inside its TLS.
func (c *connection) inTLS(inside *clienttls.Conn) {
	var err error
	if c.session == nil {
		err = c.answerHTTP(inside)
	} else {
		c.session.Secure = true
		_, err = c.session.Serve(inside, bufio.NewReaderSize(inside, relay.BufferSize))
		c.try.Session, c.try.Outcome = c.session.Seen, c.outcome()
		if c.session.Seen.Quit {
			_ = inside.CloseWrite() // the device may have left
		}
	}
	// A certificate may be rejected after the handshake.
	if why := clienttls.AlertReason(err); why != "" && c.try.Outcome <= plan.Silent {
		c.try.Outcome, c.try.Reason, c.try.Version, c.try.Suite = plan.Failed, why, "", ""
	}
}

// answerHTTP answers one HTTP request.
func (c *connection) answerHTTP(inside *clienttls.Conn) error {
	c.try.Outcome = plan.Silent
	request, err := readRequest(inside, bufio.NewReader(inside))
	if err != nil {
		return err
	}
	c.try.Outcome = plan.Completed
	if agent := request.UserAgent(); agent != "" {
		c.try.UserAgent = netname.Text(agent, maxShown)
	}
	const text = "This is a test of tlslift: nothing is sent on.\n"
	_, err = io.WriteString(inside, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"+text)
	_ = inside.CloseWrite()
	return err
}

// describeLeaf reports what kind of key a certificate has, and how it is signed.
func describeLeaf(leaf *tls.Certificate) (isECDSA, isSHA1 bool) {
	_, isECDSA = leaf.PrivateKey.(*ecdsa.PrivateKey)
	certificate, err := x509.ParseCertificate(leaf.Certificate[0])
	return isECDSA, err == nil && certificate.SignatureAlgorithm == x509.SHA1WithRSA
}
