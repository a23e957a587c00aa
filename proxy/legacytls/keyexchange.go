package legacytls

import (
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
)

// A keyAgreement is one key exchange under way.
type keyAgreement interface {
	// params are the parameters of ServerKeyExchange; nil means that there is
	// no such message.
	params() []byte
	// premaster computes the premaster secret from the body of the client's
	// ClientKeyExchange.
	premaster(body []byte) ([]byte, error)
}

const premasterLen = 48 // of RSA

// sessionKey is how it is asked for a premaster secret.
//
//lint:ignore SA1019 RFC 5246 section 7.4.7.1
type sessionKey = rsa.PKCS1v15DecryptOptions //nolint:staticcheck // old clients have nothing else

// rsaAgreement is the key exchange of RFC 5246 section 7.4.7.1.
type rsaAgreement struct {
	key crypto.Decrypter
	// offered and agreed are the versions of which the premaster secret holds
	// the first, or, by a mistake of some old clients, the second.
	offered, agreed uint16
}

func (rsaAgreement) params() []byte { return nil }

// premaster is one path for everything that a client may send: where it does
// not decrypt, or decrypts to something of another form, the secret is random
// and the handshake fails at Finished. Anything else would let the client ask
// what a foreign ciphertext decrypts to (Bleichenbacher's attack; RFC 5246
// section 7.4.7.1).
func (a rsaAgreement) premaster(body []byte) ([]byte, error) {
	s := cryptobyte.String(body)
	var ciphertext cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&ciphertext) || !s.Empty() {
		return nil, fault(alertDecodeError, "malformed ClientKeyExchange")
	}
	random := make([]byte, premasterLen)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	// It fails only for what anybody can see of the ciphertext. Where the padding is
	// wrong, it returns a random secret.
	secret, err := a.key.Decrypt(rand.Reader, ciphertext, &sessionKey{SessionKeyLen: premasterLen})
	if err != nil {
		return random, nil
	}
	version := int32(binary.BigEndian.Uint16(secret))
	good := subtle.ConstantTimeEq(version, int32(a.offered)) | subtle.ConstantTimeEq(version, int32(a.agreed))
	subtle.ConstantTimeCopy(1-good, secret, random)
	return secret, nil
}

// ecdheAgreement is the key exchange of RFC 8422.
type ecdheAgreement struct {
	id  tls.CurveID
	key *ecdh.PrivateKey
}

var ecdhCurves = map[tls.CurveID]ecdh.Curve{
	tls.CurveP256: ecdh.P256(), tls.CurveP384: ecdh.P384(), tls.CurveP521: ecdh.P521(), tls.X25519: ecdh.X25519(),
}

func newECDHE(id tls.CurveID) (keyAgreement, error) {
	key, err := ecdhCurves[id].GenerateKey(rand.Reader)
	return ecdheAgreement{id, key}, err
}

const curveTypeNamed = 3

func (a ecdheAgreement) params() []byte {
	point := a.key.PublicKey().Bytes()
	p := binary.BigEndian.AppendUint16([]byte{curveTypeNamed}, uint16(a.id))
	return append(append(p, byte(len(point))), point...) //nolint:gosec // at most 133
}

func (a ecdheAgreement) premaster(body []byte) ([]byte, error) {
	s := cryptobyte.String(body)
	var point cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&point) || !s.Empty() {
		return nil, fault(alertDecodeError, "malformed ClientKeyExchange")
	}
	peer, err := ecdhCurves[a.id].NewPublicKey(point)
	if err != nil {
		return nil, fault(alertIllegalParameter, "the client's ECDHE key is none: %v", err)
	}
	secret, err := a.key.ECDH(peer)
	if err != nil {
		return nil, fault(alertIllegalParameter, "the client's ECDHE key is of no use: %v", err)
	}
	return secret, nil
}

// A group is one for DHE whose prime is a safe one, with the generator 2.
type group struct {
	prime    *big.Int
	exponent int // bytes of a private key: twice the strength of the group
}

func newGroup(hex string, exponent int) *group {
	p, ok := new(big.Int).SetString(hex, 16)
	if !ok {
		panic("legacytls: a prime is no number")
	}
	return &group{p, exponent}
}

// The group of 1024 bits was made for tlslift alone: for the one of RFC 2409 section 6.2,
// which half of the Internet has used, somebody may have done the computation that opens
// every key exchange in it (Logjam). The larger one is that of RFC 3526 section 3.
var groups = map[int]*group{
	1024: newGroup("F6B871700035D228D0DDF70022C47A1D285BB10DA814134AC16EC9F36DC87E86"+
		"7607FDE14B0F326DA9B8C300388A01628BF5ED1ACF74FC4722A1286DC7B19DF45D13260565940F16"+
		"059596BD3C3B5CD2EDA3A520790904AEC1AB51795570007234F433CF52EC59450888738A2760C13A"+
		"41B81807E35488796F5E611B2CB32CAF", 20),
	2048: newGroup("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"+
		"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245"+
		"E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"+
		"49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD96"+
		"1C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"+
		"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE5"+
		"15D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF", 32),
}

// dheAgreement is the key exchange of RFC 5246 section 8.1.2. The private key
// is used once, so that the time that math/big takes with it tells nothing
// that could be collected.
type dheAgreement struct {
	group  *group
	secret *big.Int
}

func newDHE(bits int) (keyAgreement, error) {
	if bits == 0 {
		bits = 1024
	}
	g := groups[bits]
	if g == nil {
		return nil, fault(alertInternalError, "there is no group of %d bits", bits)
	}
	key := make([]byte, g.exponent)
	_, err := rand.Read(key)
	return dheAgreement{g, new(big.Int).SetBytes(key)}, err
}

func (a dheAgreement) params() []byte {
	public := new(big.Int).Exp(big.NewInt(2), a.secret, a.group.prime)
	var p []byte
	for _, n := range []*big.Int{a.group.prime, big.NewInt(2), public} {
		b := n.Bytes()
		p = append(binary.BigEndian.AppendUint16(p, uint16(len(b))), b...) //nolint:gosec // at most 256
	}
	return p
}

func (a dheAgreement) premaster(body []byte) ([]byte, error) {
	s := cryptobyte.String(body)
	var public cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&public) || !s.Empty() {
		return nil, fault(alertDecodeError, "malformed ClientKeyExchange")
	}
	// A safe prime has no small subgroups but those of 1 and p-1.
	y := new(big.Int).SetBytes(public)
	least, most := big.NewInt(2), new(big.Int).Sub(a.group.prime, big.NewInt(2))
	if y.Cmp(least) < 0 || y.Cmp(most) > 0 {
		return nil, fault(alertIllegalParameter, "the client's DHE key is out of range")
	}
	return y.Exp(y, a.secret, a.group.prime).Bytes(), nil
}

// A signature is over the parameters of a key exchange; its scheme is zero
// below TLS 1.2.
type signature struct {
	scheme uint16
	value  []byte
}

func sign(key crypto.Signer, s *signatureScheme, parts ...[]byte) (signature, error) {
	var digest []byte
	hashes := []crypto.Hash{s.hash}
	if s.hash == crypto.MD5SHA1 {
		hashes = []crypto.Hash{crypto.MD5, crypto.SHA1}
	}
	for _, id := range hashes {
		h := id.New()
		for _, p := range parts {
			h.Write(p)
		}
		digest = h.Sum(digest)
	}
	var options crypto.SignerOpts = s.hash
	if s.by == byPSS {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	value, err := key.Sign(rand.Reader, digest, options)
	return signature{s.id, value}, err
}
