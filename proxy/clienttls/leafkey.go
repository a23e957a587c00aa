package clienttls

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/tls"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/legacytls"
	"github.com/tlslift/tlslift/proxy/record"
)

// Extensions, and point formats (RFC 8422 section 5.1, RFC 8446 section 4.2.3).
const (
	extServerName     = 0
	extGroups         = 10
	extPoints         = 11
	extSignatures     = 13
	extCertSignatures = 50

	pointUncompressed = 0
)

// getsECDSA reports whether a client gets a leaf with an ECDSA key. Its signature costs
// us a small part of that of RSA. But a client may say that it has the cipher suite and
// still not accept such a leaf, since it is signed by our CA, whose key is RSA: RFC 4492
// section 2.2, which counts below TLS 1.2, asks for a signature of ECDSA. So by default
// only those get it that say that they can verify both. Whoever can do with one kind only
// gets that.
func (s *Server) getsECDSA(c *Client) bool {
	ecdsa, rsa := s.suites(c)
	if !ecdsa || !rsa {
		return ecdsa
	}
	own := c.Options.Leaf.KeyType
	kind := cmp.Or(own, s.KeyType, clientfile.KeyTypeAuto)
	switch {
	case kind == clientfile.KeyTypeRSA, !readsP256(c.Hello), s.refusedECDSA.has(c.group(), time.Now()):
		return false
	case own == clientfile.KeyTypeECDSA:
		return true
	case c.Options.Leaf.Bits == shortBits, isSecureTransport(c.Hello):
		return false
	}
	return kind == clientfile.KeyTypeECDSA || verifiesECDSA(c.Hello) && !leafProfile(c.Hello, c.Options.Leaf).SHA1
}

// shortBits is the length of the RSA key for a client that cannot compute with more.
const shortBits = 1024

// suites reports whether the client can be served with an ECDSA key, in no weaker suite
// than with an RSA key, and whether with an RSA key.
func (s *Server) suites(c *Client) (ecdsa, rsa bool) {
	if c.Stack != decide.LegacyStack {
		signatures := c.Hello.SignatureAlgorithms
		return slices.Contains(signatures, uint16(tls.ECDSAWithP256AndSHA256)), slices.ContainsFunc(signatures, func(a uint16) bool {
			return a == uint16(tls.PSSWithSHA256) || a == uint16(tls.PSSWithSHA384) || a == uint16(tls.PSSWithSHA512)
		})
	}
	offer := decide.Offer(c.Hello)
	offer.KeyBits, offer.Keys = c.Options.Leaf.Bits, legacytls.RSAKey
	rsa = offer.Choose(c.Legacy) != 0
	offer.Keys |= legacytls.ECDSAKey
	return legacytls.IsECDSA(offer.Choose(c.Legacy)), rsa
}

// verifiesECDSA reports whether a client says that it can verify a leaf with an ECDSA key,
// and our CA's signature on it (RFC 5246 section 7.4.2, RFC 8446 section 4.2.3).
func verifiesECDSA(h *clienthello.Hello) bool {
	certificates := h.SignatureAlgorithms
	if h.HasExtension(extCertSignatures) {
		certificates = h.CertSignatures
	}
	return (h.Offers(tls.VersionTLS12) || h.Offers(tls.VersionTLS13)) &&
		slices.Contains(h.SignatureAlgorithms, uint16(tls.ECDSAWithP256AndSHA256)) &&
		slices.Contains(certificates, uint16(tls.PKCS1WithSHA256))
}

// readsP256 reports whether a client can read a key on P-256: it names the group, which
// who names none may not have, and reads uncompressed points.
func readsP256(h *clienthello.Hello) bool {
	return slices.Contains(h.Groups, uint16(tls.CurveP256)) &&
		(!h.HasExtension(extPoints) || slices.Contains(h.PointFormats, pointUncompressed))
}

// isSecureTransport reports whether a hello is that of Apple's Secure Transport of about
// 2012. That of OS X 10.8 to 10.8.3 offers ECDHE_ECDSA and fails with it, and cannot be
// told from the others (OpenSSL has SSL_OP_SAFARI_ECDHE_ECDSA_BUG for it).
func isSecureTransport(h *clienthello.Hello) bool {
	extensions := slices.DeleteFunc(slices.Clone(h.Extensions), func(e uint16) bool { return e == extServerName })
	known := []uint16{extGroups, extPoints, extSignatures}
	return len(extensions) >= 2 && slices.Equal(extensions, known[:min(len(extensions), len(known))]) &&
		slices.Equal(h.Groups, []uint16{uint16(tls.CurveP256), uint16(tls.CurveP384), uint16(tls.CurveP521)}) &&
		slices.Equal(h.PointFormats, []byte{pointUncompressed})
}

// isECDSA reports whether a leaf has an ECDSA key.
func isECDSA(leaf *tls.Certificate) bool {
	_, is := leaf.PrivateKey.(*ecdsa.PrivateKey)
	return is
}

// keyReasons are the reasons for which a handshake can fail because the client does not
// accept the kind of the leaf's key. Not all clients have the right alert for it.
var keyReasons = []record.Reason{
	record.ReasonClientParameters, record.ReasonClientBadCertificate, record.ReasonClientCertUnsupported, record.ReasonClientCertUnknown,
	record.ReasonClientAlert, record.ReasonClientClosedAfterCert,
}

// learn remembers that a client has refused a leaf, if that may be for the kind of its
// key, and reports whether it may. Silent means that the client has sent nothing since it
// was sent the certificate.
func (s *Server) learn(c *Client, leaf *tls.Certificate, why record.Reason, silent bool) bool {
	late := silent && why == record.ReasonClientHandshakeTimeout
	if !isECDSA(leaf) || !late && !slices.Contains(keyReasons, why) {
		return false
	}
	s.refusedECDSA.add(c.group(), time.Now())
	return true
}

// How long and for how many clients it is remembered that one has refused a leaf with an
// ECDSA key: a device stays as it is until it gets other firmware.
const (
	refusedAge = 30 * 24 * time.Hour
	maxRefused = 4096
)

// refusals remembers which clients have refused a leaf with an ECDSA key. It is by address
// alone: that others there get an RSA key too costs a little time. It is safe for
// concurrent use.
type refusals struct {
	mu    sync.Mutex
	until map[netip.Prefix]time.Time
	order []netip.Prefix // oldest first
}

func newRefusals() *refusals { return &refusals{until: map[netip.Prefix]time.Time{}} }

func (r *refusals) has(client netip.Prefix, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until[client])
}

func (r *refusals) add(client netip.Prefix, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.until[client]; !known {
		if len(r.order) >= maxRefused {
			delete(r.until, r.order[0])
			r.order = r.order[1:]
		}
		r.order = append(r.order, client)
	}
	r.until[client] = now.Add(refusedAge)
}
