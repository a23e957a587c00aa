package plan

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/sink"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/record"
)

// A simulated device says how it behaves when it is served in a way.
type simulated func(Variant) Try

// old is the hello of a device with TLS 1.0 and AES.
func old() *clienthello.Hello {
	return &clienthello.Hello{Version: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
}

func with(h *clienthello.Hello, o Outcome) Try {
	t := Try{Outcome: o, Hello: h, Decision: decide.Decide(h, decide.Circumstance{}), Protocol: record.ProtocolSMTP}
	if o >= Silent {
		t.Version, t.Suite = "TLS 1.0", "TLS_RSA_WITH_AES_128_CBC_SHA"
	}
	if o == Failed {
		t.Reason = record.ReasonClientBadCertificate
	}
	return t
}

// needs returns a device that reads only certificates with these properties, and rejects
// those of a foreign CA if it checks them.
func needs(checks bool, ok func(clientfile.Options) bool) simulated {
	return func(v Variant) Try {
		t := with(old(), Completed)
		if !ok(v.Options) || checks && v.ForeignCA {
			t = with(old(), Failed)
		}
		t.SHA1 = v.Options.Leaf.Hash == clientfile.HashSHA1
		return t
	}
}

// run presses until the plan is done.
func run(t *testing.T, base clientfile.Options, d simulated) (*Plan, int) {
	t.Helper()
	p := New(base)
	for n := 1; n <= maxTries+1; n++ {
		if p.Ask == "" {
			t.Fatalf("nobody is asked to press, after %d tries: %s", n-1, p.Why)
		}
		v := p.Variant()
		try := d(v)
		try.Variant = v
		p.Take(try)
		if p.Done() {
			return p, n
		}
	}
	t.Fatal("the plan does not end")
	return nil, 0
}

var from2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A device that never does what it is asked to is not tried for ever.
func TestTooManyTries(t *testing.T) {
	t.Parallel()
	p, n := run(t, clientfile.Options{}, func(Variant) Try { return Try{Outcome: NoTLS, OnlyTLS: true} })
	if n != maxTries+1 || p.Works || p.Why != "There were too many tries." {
		t.Errorf("after %d tries: works %v, %s", n, p.Works, p.Why)
	}
}

// Each device gets the options that it needs, and no others.
func TestPlan(t *testing.T) {
	t.Parallel()
	type options = clientfile.Options
	leaf := func(l clientfile.Leaf) options { return options{Leaf: l} }
	any := func(options) bool { return true }
	none := func(options) bool { return false }
	withCA := func(o options) bool { return o.Leaf.WithCA }
	early := func(o options) bool { return !o.Leaf.NotBefore.IsZero() }
	both := func(o options) bool { return sha1(o) && short(o) }
	sha256 := func(o options) bool { return !sha1(o) }
	split := func(o options) bool { return o.SplitRecords }
	small := func(o options) bool { return o.RecordSize == 512 }
	named := options{Name: "x", RC4: true}
	isSHA1, isSHA256 := clientfile.Leaf{Hash: clientfile.HashSHA1}, clientfile.Leaf{Hash: clientfile.HashSHA256}
	isShort, hasCA, isEarly := clientfile.Leaf{Bits: 1024}, clientfile.Leaf{WithCA: true}, clientfile.Leaf{NotBefore: from2000}
	isBoth := clientfile.Leaf{Hash: clientfile.HashSHA1, Bits: 1024}
	for name, tt := range map[string]struct {
		base   options
		device simulated
		most   int // presses
		works  bool
		check  Check
		never  record.Reason
		want   options
		why    string
	}{
		"all is well, and it checks":       {device: needs(true, any), most: 2, works: true, check: Checks},
		"all is well, and it does not":     {device: needs(false, any), most: 2, works: true, check: ChecksNot},
		"its entry is kept":                {base: named, device: needs(true, any), most: 2, works: true, check: Checks, want: named},
		"it cannot read SHA-256":           {device: needs(true, sha1), most: 7, works: true, check: Checks, want: leaf(isSHA1)},
		"it cannot compute with 2048 bits": {device: needs(true, short), most: 7, works: true, check: Checks, want: leaf(isShort)},
		"it wants the CA":                  {device: needs(true, withCA), most: 7, works: true, check: Checks, want: leaf(hasCA)},
		"its clock stands back":            {device: needs(true, early), most: 7, works: true, check: Checks, want: leaf(isEarly)},
		"two of them":                      {device: needs(true, both), most: 7, works: true, check: Checks, want: leaf(isBoth)},
		"SHA-1 by its entry, but wants 256": {
			base: leaf(isSHA1), device: needs(true, sha256), most: 7, works: true, check: Checks, want: leaf(isSHA256),
		},
		"it does not have the CA": {device: needs(true, none), most: 5, check: Checks, why: "still rejects"},
		"it has the CA after all": {device: imported(3), most: 5, works: true, check: Checks},
		"SSL 3.0":                 {device: refuses(record.ReasonSSL3Only), most: 1, never: record.ReasonSSL3Only, why: "never"},
		"SSL 2.0":                 {device: refuses(record.ReasonSSL2Only), most: 1, never: record.ReasonSSL2Only, why: "never"},
		"export suites only": {
			device: refuses(record.ReasonNoSharedCipherSuite), most: 1, never: record.ReasonNoSharedCipherSuite, why: "never",
		},
		"RC4": {
			device: suite(tls.TLS_RSA_WITH_RC4_128_SHA), most: 3, works: true, check: ChecksNot, want: options{RC4: true},
		},
		"DES":                           {device: suite(9), most: 3, works: true, check: ChecksNot, want: options{DES: true}},
		"no TLS":                        {device: plain(0), most: 2, works: true, want: options{Plaintext: clientfile.PlaintextAllow}},
		"TLS is turned on":              {device: plain(1), most: 3, works: true, check: ChecksNot},
		"split records":                 {device: silent(split), most: 4, works: true, check: ChecksNot, want: options{SplitRecords: true}},
		"small records":                 {device: silent(small), most: 5, works: true, check: ChecksNot, want: options{RecordSize: 512}},
		"it leaves in any case":         {device: silent(none), most: 5, why: "the name in the"},
		"SHA-1 after the handshake":     {device: silent(sha1), most: 7, works: true, check: ChecksNot, want: leaf(isSHA1)},
		"it checks after the handshake": {device: late, most: 2, works: true, check: Checks},
		"it wants PLAIN":                {device: mechanism("PLAIN"), most: 3, works: true, check: ChecksNot},
		"it wants NTLM":                 {device: mechanism("NTLM"), most: 2, why: "NTLM"},
		"it does not sign in":           {device: mechanism(""), most: 2, why: "does not sign in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, n := run(t, tt.base, tt.device)
			if p.Works != tt.works || p.Check != tt.check || p.Never != tt.never || p.Options() != tt.want || n > tt.most ||
				!strings.Contains(p.Why, tt.why) {
				t.Errorf("after %d: works %v, check %v, never %q, why %q, options %+v", n, p.Works, p.Check, p.Never, p.Why, p.Options())
			}
		})
	}
}

func sha1(o clientfile.Options) bool { return o.Leaf.Hash == clientfile.HashSHA1 }

func short(o clientfile.Options) bool { return o.Leaf.Bits == 1024 }

// imported rejects certificates until somebody has imported the CA, in the nth try.
func imported(n int) simulated {
	return func(v Variant) Try {
		if n--; n > 0 || v.ForeignCA {
			return with(old(), Failed)
		}
		return with(old(), Completed)
	}
}

func refuses(why record.Reason) simulated {
	return func(Variant) Try { return Try{Outcome: Refused, Reason: why, Hello: old()} }
}

// suite has one suite, which is off.
func suite(id uint16) simulated {
	return func(v Variant) Try {
		h := &clienthello.Hello{Version: tls.VersionTLS10, CipherSuites: []uint16{id}}
		if id == tls.TLS_RSA_WITH_RC4_128_SHA && v.Options.RC4 || id == 9 && v.Options.DES {
			return with(h, Completed)
		}
		return Try{Outcome: Refused, Reason: record.ReasonCipherSuiteDisabled, Hello: h}
	}
}

// plain has no TLS; it has after so many tries, if that is not zero.
func plain(after int) simulated {
	tries := 0
	return func(v Variant) Try {
		if tries++; after > 0 && tries > after {
			return with(old(), Completed)
		}
		t := Try{Outcome: NoTLS, Session: sink.Seen{Commands: []string{"EHLO"}}}
		if v.Options.Plaintext == clientfile.PlaintextAllow {
			t.Outcome = Completed
		}
		return t
	}
}

// silent leaves without a word unless its records are right.
func silent(ok func(clientfile.Options) bool) simulated {
	return func(v Variant) Try {
		if ok(v.Options) {
			return with(old(), Completed)
		}
		return with(old(), Silent)
	}
}

// late checks the CA when the handshake is complete.
func late(v Variant) Try {
	if v.ForeignCA {
		return with(old(), Silent)
	}
	return with(old(), Completed)
}

// mechanism signs in by one mechanism, if it is offered.
func mechanism(name string) simulated {
	return func(v Variant) Try {
		t := with(old(), NoSignIn)
		if name != "" && slices.Contains(v.Mechanisms(record.ProtocolSMTP, false), name) {
			t.Session.Mechanism = name
			if name != "NTLM" {
				t.Outcome, t.Session.SignedIn = Completed, true
			}
		}
		return t
	}
}

// What does not count leaves the plan as it is.
func TestWhatDoesNotCount(t *testing.T) {
	t.Parallel()
	p := New(clientfile.Options{})
	rejects := with(old(), Failed)
	rejects.Variant = p.Variant()
	p.Take(rejects)
	before := *p
	older := with(&clienthello.Hello{Version: 0x0300}, Refused)
	older.Variant, older.Reason = p.Variant(), record.ReasonSSL3Only
	late := with(old(), Completed) // of the variant before
	for name, try := range map[string]Try{"port check": {Variant: p.Variant()}, "fallback": older, "late": late} {
		p.Take(try)
		if p.Why != before.Why || p.Done() || p.tries != before.tries || p.Variant() != before.Variant() {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}

// A device that is passed needs no certificate of ours.
func TestPassed(t *testing.T) {
	t.Parallel()
	h := &clienthello.Hello{
		Version: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		SignatureAlgorithms: []uint16{uint16(tls.PKCS1WithSHA256)},
	}
	p, n := run(t, clientfile.Options{}, func(Variant) Try { return with(h, Failed) })
	if !p.Works || n != 1 || p.Check != Checks || p.Options() != (clientfile.Options{}) {
		t.Errorf("got %+v after %d", p, n)
	}
}

// Whatever devices do, the plan ends or asks, and its answer can be written into the file.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{3, 3, 6, 6, 6, 6, 6, 6})
	f.Add([]byte{2, 1, 4, 5})
	f.Fuzz(func(t *testing.T, moves []byte) {
		p := New(clientfile.Options{})
		for _, m := range moves {
			try := with(old(), Outcome(m%8%7))
			if m&8 != 0 {
				try.Hello = nil
			}
			if try.Outcome == Refused {
				all := record.Reasons()
				try.Reason = all[int(m>>4)%len(all)]
			}
			try.Variant, try.SHA1, try.ECDSA, try.OnlyTLS = p.Variant(), m&16 != 0, m&32 != 0, m&64 != 0
			p.Take(try)
			if p.Done() == (p.Ask != "") {
				t.Fatalf("done %v, and asks %q", p.Done(), p.Ask)
			}
		}
	})
}
