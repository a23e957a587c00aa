package check

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
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailcheck"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// mailPort is where mail servers take mail of each other.
const mailPort = 25

// An outside is the part of a checker that connects to others.
type outside struct {
	*checker

	out   *upstream.Dialer
	times clockTimes
}

// newOutside prepares outgoing connections, as the service makes them.
func newOutside(c *checker) (*outside, error) {
	way, err := egress.Config(c.cfg, c.log)
	if err != nil {
		return nil, err
	}
	way.Resolver = c.Machine.Resolver
	out, err := upstream.New(way)
	return &outside{checker: c, out: out}, err
}

// probe connects to a destination, step by step, until one fails.
func (c *outside) probe(ctx context.Context, t target) []Result {
	if ctx.Err() != nil {
		return []Result{unchecked(Egress, t.to.String(), ctx.Err())}
	}
	found, err := c.lookUp(ctx, t)
	all := []Result{found}
	if err != nil {
		return all
	}
	conn, reached := c.connect(ctx, t)
	all = append(all, reached)
	if conn == nil {
		return all
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	secure, err := c.out.Handshake(ctx, conn, t.to.Host, t.to.Port, nil)
	if err != nil {
		return append(all, notSecure(t, err))
	}
	state := secure.ConnectionState()
	all = append(all, Result{
		Check: TLS, Subject: t.to.String(), Status: OK,
		Says: fmt.Sprintf("%s, %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)),
	}, c.certificate(t, state))
	c.times.verified()
	if t.isWeb {
		c.times.fromHTTP(ctx, secure, t.to.Host, c.Machine.Now)
	}
	return all
}

// lookUp looks the name of a destination up, unless somebody else does.
func (c *outside) lookUp(ctx context.Context, t target) (Result, error) {
	r := Result{Check: DNS, Subject: t.to.Host, Status: OK}
	if c.cfg.UpstreamProxy != nil {
		r.Status, r.Says = Skipped, "the proxy "+c.cfg.UpstreamProxy.Host+" looks names up"
		return r, nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	addresses, err := c.out.Addresses(ctx, t.to.Host, t.to.Port)
	if err == nil && len(addresses) == 0 {
		err = record.Fail(record.ReasonNameNotFound, errors.New("the name has no address"))
	}
	if err != nil {
		r = failure(DNS, t.to.Host, err)
		if r.Reason == record.ReasonNameNotFound { // no client has chosen the name
			r.Remedy = "let the name server of this machine find " + t.to.Host + "; where only a proxy reaches the Internet, set " +
				settings.Prefix + "UPSTREAM_PROXY; an address of your own for it is set in " + settings.Prefix + "CONNECT_TO"
		}
		return r, err
	}
	var texts []string
	for _, a := range addresses {
		texts = append(texts, a.Unmap().String())
	}
	r.Says = listed(texts)
	return r, nil
}

// connect opens a connection, up to where TLS begins; it is nil if that fails.
func (c *outside) connect(ctx context.Context, t target) (net.Conn, Result) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	r := Result{Check: Egress, Subject: t.to.String(), Status: OK, Says: "can be reached"}
	if proxy := c.cfg.UpstreamProxy; proxy != nil {
		r.Says += " through the proxy " + proxy.Host
	}
	conn, err := c.out.Dial(ctx, t.to.Host, t.to.Port)
	if err != nil {
		return nil, unreached(t, err)
	}
	if t.startTLS == "" {
		return conn, r
	}
	greeting, err := mailcheck.StartTLS(ctx, conn, t.startTLS)
	c.times.fromGreeting(greeting, c.Machine.Now)
	if err != nil {
		_ = conn.Close()
		if errors.Is(ctx.Err(), context.Canceled) {
			err = ctx.Err()
		}
		return nil, failure(Egress, t.to.String(), err)
	}
	r.Says += ", and begins TLS when it is asked to"
	return conn, r
}

// unreached is the result of a connection that cannot be opened.
func unreached(t target, err error) Result {
	r := failure(Egress, t.to.String(), err)
	if t.to.Port == mailPort {
		r.Remedy = "let the firewall, the provider or the cloud open port 25 to the internet, which many keep closed; or send through " +
			"smtp.office365.com:587 (leave ?to= out of the listener)"
	}
	return r
}

// notSecure is the result of a handshake that fails. A certificate of somebody else is most
// often that of a firewall that inspects TLS.
func notSecure(t target, err error) Result {
	f := failureOf(err)
	if f == nil {
		return failure(TLS, t.to.String(), err)
	}
	switch f.Reason {
	case record.ReasonUpstreamCertUntrusted, record.ReasonUpstreamCertName, record.ReasonUpstreamCertExpired,
		record.ReasonUpstreamCertInvalid:
	default:
		return failure(TLS, t.to.String(), err)
	}
	r := failure(Certificate, t.to.String(), err)
	var verification *tls.CertificateVerificationError
	if !errors.As(err, &verification) || len(verification.UnverifiedCertificates) == 0 {
		return r
	}
	shown := verification.UnverifiedCertificates
	if f.Reason != record.ReasonUpstreamCertUntrusted {
		r.Says += "; it is from " + issuer(shown[0])
		return r
	}
	r.Says = fmt.Sprintf("a firewall that inspects TLS is in the way, or another server: the certificate is from %s, "+
		"which this machine does not trust", issuer(shown[len(shown)-1]))
	r.Remedy = fmt.Sprintf("exempt %s from the inspection of TLS on the firewall; or let tlslift trust its CA, together with the "+
		"system's roots, by a PEM file in %sUPSTREAM_CA_FILE", t.to, settings.Prefix)
	return r
}

// issuer names who has signed a certificate.
func issuer(c *x509.Certificate) string {
	name := c.Issuer.CommonName
	if o := strings.Join(c.Issuer.Organization, ", "); o != "" && !strings.Contains(name, o) {
		name = strings.TrimPrefix(name+" ("+o+")", " ")
	}
	return netname.Text(cmp.Or(name, c.Issuer.String(), "nobody that it names"), maxText/4)
}

// certificate looks at a verified certificate. One that no public authority has signed is
// that of a firewall whose CA this machine trusts.
func (c *outside) certificate(t target, state tls.ConnectionState) Result {
	leaf := state.PeerCertificates[0] // a verified peer has one
	r := Result{Check: Certificate, Subject: t.to.String(), Status: OK, Says: fmt.Sprintf("from %s, valid until %s",
		issuer(leaf), leaf.NotAfter.Local().Format(time.DateOnly))}
	if !t.isMicrosofts || isPublic(state, c.public()) {
		return r
	}
	r.Status = Warning
	r.Says = "a firewall that inspects TLS is in the way: the certificate is from " + issuer(leaf) +
		", which is no public authority, but which this machine trusts"
	r.Remedy = fmt.Sprintf("exempt %s from the inspection of TLS on the firewall, as Microsoft asks for; "+
		"what is lifted can be read there", t.to)
	return r
}

// isPublic reports whether a certificate has a public authority, at the time it is for.
func isPublic(state tls.ConnectionState, roots *x509.CertPool) bool {
	leaf := state.PeerCertificates[0]
	above := x509.NewCertPool()
	for _, chain := range append(state.VerifiedChains, state.PeerCertificates) {
		for _, c := range chain {
			above.AddCert(c)
		}
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: above})
	return !errors.As(err, new(x509.UnknownAuthorityError))
}

// maxAnswer bounds the header of an HTTP answer.
const maxAnswer = 64 << 10

// askHTTP returns the time of a web server.
func askHTTP(ctx context.Context, conn net.Conn, host string) (time.Time, error) {
	deadline, _ := ctx.Deadline() // each step has one
	if err := conn.SetDeadline(deadline); err != nil {
		return time.Time{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request := "HEAD / HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: tlslift\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return time.Time{}, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxAnswer)), &http.Request{Method: http.MethodHead})
	if err != nil {
		return time.Time{}, err
	}
	_ = answer.Body.Close() // it has none
	return http.ParseTime(answer.Header.Get("Date"))
}
