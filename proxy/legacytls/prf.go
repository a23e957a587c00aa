package legacytls

import (
	"crypto/md5"  //nolint:gosec // RFC 2246 section 5
	"crypto/sha1" //nolint:gosec // RFC 2246 section 5
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"hash"
)

const (
	masterLen   = 48
	finishedLen = 12

	labelMaster         = "master secret"
	labelExtendedMaster = "extended master secret" // RFC 7627 section 4
	labelKeys           = "key expansion"
	labelClientFinished = "client finished"
	labelServerFinished = "server finished"
)

// A prf is the pseudorandom function of a session (RFC 5246 section 5; below
// TLS 1.2, RFC 2246 section 5).
type prf struct {
	version uint16
	hash    *macHash // of TLS 1.2
}

// fill computes as many bytes as out has.
func (p prf) fill(out, secret []byte, label string, seed ...[]byte) {
	all := append(make([]byte, 0, 128), label...) // room for two random values
	for _, s := range seed {
		all = append(all, s...)
	}
	if p.version >= tls.VersionTLS12 {
		expand(out, secret, all, p.hash)
		return
	}
	// Each half of the secret feeds one hash; of an odd one the middle byte
	// feeds both.
	half := (len(secret) + 1) / 2
	expand(out, secret[:half], all, macMD5)
	other := make([]byte, len(out))
	expand(other, secret[len(secret)-half:], all, macSHA1)
	subtle.XORBytes(out, out, other)
	clear(other)
}

// expand is P_hash.
func expand(out, secret, seed []byte, hash *macHash) {
	w := hash.keyed(secret)
	defer w.release()
	a := w.hmac(w.room[:0:maxMAC], seed)
	for {
		block := w.hmac(w.room[maxMAC:maxMAC], a, seed)
		if out = out[copy(out, block):]; len(out) == 0 {
			return
		}
		a = w.hmac(a[:0], a)
	}
}

// A transcript is the hash of the handshake messages so far.
type transcript struct {
	prf    prf
	hashes []hash.Hash
}

func newTranscript(p prf) transcript {
	if p.version >= tls.VersionTLS12 {
		return transcript{p, []hash.Hash{p.hash.new()}}
	}
	return transcript{p, []hash.Hash{md5.New(), sha1.New()}} //nolint:gosec // RFC 2246 section 7.4.9
}

func (t transcript) add(message []byte) {
	for _, h := range t.hashes {
		h.Write(message)
	}
}

func (t transcript) sum() []byte {
	all := make([]byte, 0, sha512.Size384) // more than MD5 and SHA-1 together
	for _, h := range t.hashes {
		all = h.Sum(all)
	}
	return all
}

// finished is the verify_data of a Finished message (RFC 5246 section 7.4.9).
func (t transcript) finished(master []byte, label string) []byte {
	out := make([]byte, finishedLen)
	t.prf.fill(out, master, label, t.sum())
	return out
}
