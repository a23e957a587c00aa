package localca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

var dayIn2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// profiles are all that there are.
var profiles = []Profile{
	{}, {WithCA: true}, {Bits: 1024}, {Bits: 1024, WithCA: true},
	{NotBefore: dayIn2000}, {NotBefore: dayIn2000, WithCA: true}, {NotBefore: dayIn2000, SHA1: true, WithCA: true},
	{ECDSA: true}, {ECDSA: true, SHA1: true, WithCA: true},
	{SHA1: true}, {SHA1: true, WithCA: true}, {SHA1: true, Bits: 1024}, {SHA1: true, Bits: 1024, WithCA: true},
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	keys := map[int]publicKey{}
	for i, p := range profiles {
		cert := profiled(t, ca, "a.example", p)
		if ca.Issued() != uint64(i+1) {
			t.Errorf("%+v: %d leaves were signed", p, ca.Issued())
		}
		if err := verifySignature(ca, cert.Leaf, p.SHA1); err != nil {
			t.Errorf("%+v: %s signature: %v", p, cert.Leaf.SignatureAlgorithm, err)
		}
		bits := 2048
		if p.Bits != 0 {
			bits = p.Bits
		}
		usage := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
		if p.ECDSA {
			bits, usage = 256, x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement
		}
		key := cert.PrivateKey.(crypto.Signer).Public().(publicKey)
		if lengthOf(key) != bits || !key.Equal(cert.Leaf.PublicKey) || keys[bits] != nil && !keys[bits].Equal(key) {
			t.Errorf("%+v: the key has %d bits and is not that of the leaf, or of the other leaves", p, lengthOf(key))
		}
		if cert.Leaf.KeyUsage != usage {
			t.Errorf("%+v: the key may be used for %b", p, cert.Leaf.KeyUsage)
		}
		keys[bits] = key
		want := [][]byte{cert.Leaf.Raw}
		if p.WithCA {
			root, err := ca.Form(Form{SHA1: p.SHA1, Backdated: !p.NotBefore.IsZero()})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, root.Raw)
		}
		if !slices.EqualFunc(cert.Certificate, want, bytes.Equal) {
			t.Errorf("%+v: %d certificates are sent, want %d", p, len(cert.Certificate), len(want))
		}
		if again := profiled(t, ca, "a.example", p); again != cert {
			t.Errorf("%+v: the leaf is not kept", p)
		}
	}
}

// A publicKey is one of each kind.
type publicKey interface {
	Equal(other crypto.PublicKey) bool
}

func lengthOf(key publicKey) int {
	if key, is := key.(*ecdsa.PublicKey); is {
		return key.Params().BitSize
	}
	return key.(*rsa.PublicKey).N.BitLen()
}

// verifySignature does what crypto/x509 does not do for SHA-1.
func verifySignature(ca *CA, c *x509.Certificate, withSHA1 bool) error {
	if !withSHA1 {
		return verify(ca, c, c.DNSNames[0], time.Now())
	}
	sum := sha1.Sum(c.RawTBSCertificate)
	return rsa.VerifyPKCS1v15(ca.Certificate().PublicKey.(*rsa.PublicKey), crypto.SHA1, sum[:], c.Signature)
}

func TestDefaultLengthWrittenOut(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	if profiled(t, ca, "a.example", Profile{}) != profiled(t, ca, "a.example", Profile{Bits: 2048}) {
		t.Error("2048 bits are something else than the default")
	}
}

func TestOtherLengthsAreRefused(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	for _, bits := range []int{-1, 1, 256, 512, 1023, 2047, 3072, 4096} {
		_, err := ca.Leaf("a.example", nil, Profile{Bits: bits})
		if err == nil || !strings.HasSuffix(err.Error(), " bits, only 2048 or 1024") {
			t.Errorf("%d bits: error is %v", bits, err)
		}
	}
	if ca.Issued() != 0 {
		t.Errorf("issued %d", ca.Issued())
	}
}

// An operator's own root goes along too, if it is in ca.pem.
func TestWithCAOfAnOperator(t *testing.T) {
	t.Parallel()
	rootKey, key := testenv.RSAKey(t, 0), testenv.RSAKey(t, 1)
	root := testenv.Sign(t, caOf("root"), caOf("root"), rootKey, rootKey)
	middle := testenv.Sign(t, caOf("proxies"), root, key, rootKey)
	for what, test := range map[string]struct {
		file  []byte
		chain []*x509.Certificate
	}{
		"with the root":    {testenv.CertificatePEM(middle, root), []*x509.Certificate{middle, root}},
		"without the root": {testenv.CertificatePEM(middle), []*x509.Certificate{middle}},
	} {
		ca := open(t, Options{Dir: put(t, test.file, testenv.KeyPEM(t, key)), Now: newClock().now})
		sent := profiled(t, ca, "a.example", Profile{WithCA: true}).Certificate[1:]
		if !slices.EqualFunc(sent, test.chain, func(got []byte, want *x509.Certificate) bool { return bytes.Equal(got, want.Raw) }) {
			t.Errorf("%s: %d certificates follow the leaf, want %d", what, len(sent), len(test.chain))
		}
	}
}

// While the first short key is being made, those who need none go on.
func TestFirstShortKeyHoldsNobodyElseUp(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	short := ca.keys[shortBits]
	if short.current.Load() != nil {
		t.Error("a short key was made before anyone needed it")
	}
	short.changing.Lock() // as the caller does that makes the key
	var waiting sync.WaitGroup
	for _, name := range []string{"a.example", "b.example"} {
		waiting.Go(func() {
			if cert, err := ca.Leaf(name, nil, Profile{Bits: 1024}); err != nil || cert.Leaf.PublicKey.(*rsa.PublicKey).N.BitLen() != 1024 {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	leaf(t, ca, "a.example")
	profiled(t, ca, "c.example", Profile{SHA1: true})
	short.changing.Unlock()
	waiting.Wait()
}

// That a short key could not be made is not remembered.
func TestFirstShortKeyIsTriedAgain(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	ca.keys[shortBits].bits = 1 // crypto/rsa refuses
	_, err := ca.Leaf("a.example", nil, Profile{Bits: 1024})
	if err == nil || !strings.HasPrefix(err.Error(), "making a leaf for a.example: making its key: ") {
		t.Fatalf("error is %v", err)
	}
	leaf(t, ca, "a.example")
	ca.keys[shortBits].bits = shortBits
	profiled(t, ca, "a.example", Profile{Bits: 1024})
}
