package signin

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

func from(addr string) Client { return Client{Addr: netip.MustParseAddr(addr)} }

// reasonOf returns the reason of an error; empty for none.
func reasonOf(t *testing.T, err error) record.Reason {
	t.Helper()
	var f *record.Failure
	if err != nil && !errors.As(err, &f) {
		t.Errorf("the error has no reason: %v", err)
		return record.ReasonInternal
	}
	if f == nil {
		return ""
	}
	return f.Reason
}

const (
	wrong   = record.ReasonSigninPasswordWrong
	limited = record.ReasonSigninTriesLimited
)

// shop is a file with logins for all, for one address, and for a name.
func shop(t testing.TB) *Config {
	return mustParse(t, head+`- address: scan@contoso.com
  logins:
  - {name: Copier1, password: `+hashOf(t, copierWords)+`}
  - {name: mine, password: `+hashOf(t, copierWords)+`, clients: [10.0.0.7, copier-3]}
  - {name: old, secret_file: old, clients: [10.0.8.0/24]}
- address: fax@contoso.com
  clients: [10.0.9.0/24, printer7]
- address: fax2@contoso.com
  clients: [10.0.9.5, 10.0.9.128/25]
`)
}

// quick is the same file without hashes, for many tries.
func quick(t testing.TB) *Config {
	return mustParse(t, head+`- address: scan@contoso.com
  logins:
  - {name: Copier1, secret_file: copier}
  - {name: mine, secret_file: copier, clients: [10.0.0.7]}
  - {name: old, secret_file: old, clients: [10.0.8.0/24]}
`)
}

func TestCovers(t *testing.T) {
	t.Parallel()
	k := New(shop(t))
	for _, test := range []struct {
		c           Client
		mapped      string
		cram, named bool
	}{
		{from("192.0.2.1"), "", false, false},
		{from("10.0.0.7"), "", false, true},
		{Client{netip.MustParseAddr("192.0.2.1"), "copier-3"}, "", false, true},
		{Client{netip.MustParseAddr("192.0.2.1"), "printer7"}, "fax@contoso.com", false, true},
		{from("::ffff:10.0.8.200"), "", true, true},
		{from("10.0.9.4"), "fax@contoso.com", false, true},
		{from("10.0.9.5"), "fax2@contoso.com", false, true},
		{from("10.0.9.200"), "fax2@contoso.com", false, true},
		{Client{netip.MustParseAddr("10.0.9.200"), "printer7"}, "fax@contoso.com", false, true},
		{Client{netip.MustParseAddr("10.0.9.5"), "printer7"}, "fax2@contoso.com", false, true},
		{Client{}, "", false, false},
	} {
		mapped := ""
		if m := k.Mapped(test.c); m != nil {
			mapped = m.Address
		}
		if mapped != test.mapped || k.ServesCRAM(test.c) != test.cram || k.Covers(test.c, false) != test.named {
			t.Errorf("%v: mapped %q, CRAM %t, covered %t", test.c, mapped, k.ServesCRAM(test.c), k.Covers(test.c, false))
		}
		if !k.Covers(test.c, true) { // Copier1 is for all
			t.Errorf("%v is pointed at tlslift, and not covered", test.c)
		}
	}
	named := New(mustParse(t, head+"- {address: a@b.example, clients: [10.0.0.1]}"))
	if named.Covers(from("192.0.2.1"), true) || !named.Covers(from("10.0.0.1"), true) {
		t.Error("with no login for all, other clients than those that are named are covered")
	}
}

// CRAM-MD5 is offered where no login that a client is meant to use has a hash: a client
// that likes it best would fail with that one.
func TestServesCRAM(t *testing.T) {
	t.Parallel()
	hashed, known := "- {name: a, password: "+hashOf(t, copierWords)+"CLIENTS}\n", "- {name: b, secret_file: oldCLIENTS}\n"
	named := func(login, clients string) string {
		return strings.Replace(login, "CLIENTS", ", clients: ["+clients+"]", 1)
	}
	forAll := func(login string) string { return strings.Replace(login, "CLIENTS", "", 1) }
	for name, test := range map[string]struct {
		logins string
		want   bool
	}{
		"known for all":                           {forAll(known), true},
		"hashed for all":                          {forAll(hashed), false},
		"both for all":                            {forAll(hashed) + forAll(known), false},
		"known for it":                            {named(known, "192.0.2.1"), true},
		"known for it, hashed for all":            {forAll(hashed) + named(known, "192.0.2.0/24"), true},
		"hashed for it, known for all":            {named(hashed, "192.0.2.1") + forAll(known), false},
		"both for it":                             {named(hashed, "192.0.2.1") + named(known, "192.0.2.0/24"), false},
		"known for others":                        {named(known, "192.0.2.2"), false},
		"hashed for all, known for others":        {forAll(hashed) + named(known, "192.0.2.2"), false},
		"known for all, hashed for others":        {forAll(known) + named(hashed, "192.0.2.2"), true},
		"known for it by its name, others hashed": {forAll(hashed) + named(known, "copier-3"), true},
	} {
		logins := strings.ReplaceAll("\n"+strings.TrimSpace(test.logins), "\n", "\n  ")
		k := New(mustParse(t, head+"- address: scan@contoso.com\n  logins:"+logins+"\n"))
		if got := k.ServesCRAM(Client{netip.MustParseAddr("192.0.2.1"), "copier-3"}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestNoConfig(t *testing.T) {
	t.Parallel()
	k := New(nil)
	c := from("10.0.0.1")
	if k.Covers(c, true) || k.ServesCRAM(c) || k.Mapped(c) != nil || k.Queues() != nil {
		t.Error("sign-in is configured for somebody")
	}
	if m, err := k.Verify(t.Context(), c, "Copier1", copierWords); m != nil || reasonOf(t, err) != wrong {
		t.Errorf("%v, %v", m, err)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from, login, password, want string
		detail                      string
	}{
		{"192.0.2.1", "Copier1", copierWords, "scan@contoso.com", ""},
		{"192.0.2.1", "COPIER1  ", copierWords, "scan@contoso.com", ""},
		{"192.0.2.1", "copier1", copierWords + "x", "", "login Copier1"},
		{"192.0.2.1", "copier1", strings.ToLower(copierWords), "", "login Copier1"},
		{"192.0.2.1", "copier1", "", "", "login Copier1"},
		{"192.0.2.1", copierWords, copierWords, "", "unknown login"}, // in the wrong field
		{"192.0.2.1", "", "", "", "unknown login"},
		{"192.0.2.1", strings.Repeat("x", 100_000), strings.Repeat("x", 100_000), "", "unknown login"},
		{"10.0.0.7", "mine", copierWords, "scan@contoso.com", ""},
		{"10.0.0.8", "mine", copierWords, "", "login mine is for other clients"},
		{"10.0.8.1", "old", scanSecret, "scan@contoso.com", ""},
		{"10.0.8.1", "old", scanSecret + "x", "", "login old"},
		{"10.0.7.1", "old", scanSecret, "", "login old is for other clients"},
	} {
		k := New(shop(t))
		for range 2 { // the second time it may be remembered
			m, err := k.Verify(t.Context(), from(test.from), test.login, test.password)
			if test.want != "" {
				if err != nil || m.Address != test.want || !strings.EqualFold(m.Login, strings.TrimSpace(test.login)) {
					t.Errorf("%+.80v: %v, %v", test, m, err)
				}
				continue
			}
			if m != nil || reasonOf(t, err) != wrong || errors.Unwrap(err).Error() != test.detail {
				t.Errorf("%+.80v: %v, %v", test, m, err)
			}
		}
	}
}

func TestVerifyCRAM(t *testing.T) {
	t.Parallel()
	answer := func(secret, challenge string) string {
		h := hmac.New(md5.New, []byte(secret))
		h.Write([]byte(challenge))
		return hex.EncodeToString(h.Sum(nil))
	}
	// The example of RFC 2195.
	const challenge, digest = "<1896.697170952@postoffice.reston.mci.net>", "b913a602c7eda7a495b4e6e7334d3890"
	if answer("tanstaaftanstaaf", challenge) != digest {
		t.Fatal("this test does not know CRAM-MD5")
	}
	k := New(shop(t))
	c := from("10.0.8.1")
	for _, digest := range []string{answer(scanSecret, challenge), strings.ToUpper(answer(scanSecret, challenge))} {
		if m, err := k.VerifyCRAM(t.Context(), c, "OLD", challenge, digest); err != nil || m.Login != "old" {
			t.Errorf("%v, %v", m, err)
		}
	}
	for what, test := range map[string][2]string{
		"other challenge": {"old", answer(scanSecret, "<1@x>")}, "empty": {"old", ""}, "no hexadecimal": {"old", scanSecret},
		"hashed": {"copier1", answer(copierWords, challenge)}, "unknown": {"nobody", answer("", challenge)},
	} {
		synctest.Test(t, func(t *testing.T) {
			if m, err := New(shop(t)).VerifyCRAM(t.Context(), c, test[0], challenge, test[1]); m != nil || reasonOf(t, err) != wrong {
				t.Errorf("%s: %v, %v", what, m, err)
			}
		})
	}
}

// tries makes n tries one after another and returns how many were wrong and limited,
// and how long they took.
func tries(t *testing.T, k *Keeper, c Client, login, password string, n int) (wrongs, limits int, took time.Duration) {
	t.Helper()
	began := time.Now()
	for range n {
		switch _, err := k.Verify(t.Context(), c, login, password); reasonOf(t, err) {
		case wrong:
			wrongs++
		case limited:
			limits++
		}
	}
	return wrongs, limits, time.Since(began)
}

// One client is slowed more and more, then stopped, and has two tries a minute from
// then on, whatever logins it tries.
func TestBruteForceFromOneClient(t *testing.T) {
	t.Parallel()
	for _, login := range []string{"copier1", "nobody", "mine"} {
		synctest.Test(t, func(t *testing.T) {
			k := New(quick(t))
			c := from("2001:db8::1")
			if n, limits, took := tries(t, k, c, login, "x", 4); n != 4 || limits != 0 || took != 1500*time.Millisecond {
				t.Errorf("%s: the first tries: %d wrong, %d limited, after %s", login, n, limits, took)
			}
			tries(t, k, from("2001:db8::ffff"), login, "x", 30) // the same device
			if _, limits, took := tries(t, k, c, login, copierWords, 1); limits != 1 || took != 0 {
				t.Errorf("%s: %d limited after %s", login, limits, took)
			}
			passed, began := 0, time.Now()
			for range 60 {
				time.Sleep(time.Minute)
				n, _, _ := tries(t, k, c, login, "x", 5)
				passed += n
			}
			if most := int(time.Since(began)/ofClient.forget) + 1; passed < 100 || passed > most {
				t.Errorf("%s: %d tries in %s, want %d at most", login, passed, time.Since(began), most)
			}
			// Others are not touched.
			if m, err := k.Verify(t.Context(), from("2001:db8:0:1::1"), "copier1", copierWords); err != nil {
				t.Errorf("%v, %v", m, err)
			}
			time.Sleep(15 * time.Minute)
			if n, _, took := tries(t, k, c, login, "x", 1); n != 1 || took != 0 {
				t.Errorf("%s: nothing is forgotten: %d, %s", login, n, took)
			}
		})
	}
}

// Tries at once do not get more than tries one after another, but for a few.
func TestBruteForceAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(quick(t))
		var mu sync.Mutex
		var all sync.WaitGroup
		passed := 0
		for i := range 500 {
			all.Go(func() {
				n, _, _ := tries(t, k, from("10.0.0.1"), "copier1", fmt.Sprint(i), 1)
				mu.Lock()
				defer mu.Unlock()
				passed += n
			})
		}
		all.Wait()
		if most := ofClient.most + maxAtOnce; passed > most {
			t.Errorf("%d of 500 tries were checked, want %d at most", passed, most)
		}
	})
}

// Many addresses together are slowed for each login; who has signed in before, or is
// named by its address, is not.
func TestBruteForceFromManyClients(t *testing.T) {
	t.Parallel()
	for _, login := range []string{"copier1", "nobody"} {
		synctest.Test(t, func(t *testing.T) {
			k := New(quick(t))
			device := from("10.0.0.1")
			if _, err := k.Verify(t.Context(), device, "copier1", copierWords); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			var passed atomic.Int64
			for i := range 12 {
				var all sync.WaitGroup
				for j := range 100 {
					all.Go(func() {
						n, _, _ := tries(t, k, from(fmt.Sprintf("2001:db8:%x:%x::1", i, j)), login, "x", 1)
						passed.Add(int64(n))
					})
				}
				all.Wait()
				time.Sleep(time.Second)
			}
			most := ofLogin.most + maxAtOnce + int(time.Since(began)/ofLogin.forget)
			if n := int(passed.Load()); n < ofLogin.most || n > most {
				t.Errorf("%s: %d of 1200 tries were checked within %s, want %d at most", login, n, time.Since(began), most)
			}
			k.now.Load().right = newMemory() // as after another sign-in than the last 4096
			began = time.Now()
			if _, err := k.Verify(t.Context(), device, "copier1", copierWords); err != nil || time.Since(began) != 0 {
				t.Errorf("the device: %v after %s", err, time.Since(began))
			}
			if _, err := k.Verify(t.Context(), from("10.0.0.7"), "mine", copierWords); err != nil || time.Since(began) != 0 {
				t.Errorf("another login: %v after %s", err, time.Since(began))
			}
		})
	}
}

// Behind one address, a device that has signed in is not slowed by the failures of
// others there; its own failures slow it.
func TestDevicesBehindOneAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(quick(t))
		c := from("10.0.8.1")
		if _, err := k.Verify(t.Context(), c, "copier1", copierWords); err != nil {
			t.Fatal(err)
		}
		tries(t, k, c, "old", "x", 40)
		if _, limits, took := tries(t, k, c, "copier1", copierWords, 10); limits != 0 || took != 0 {
			t.Errorf("the device: %d limited, after %s", limits, took)
		}
		if n, limits, _ := tries(t, k, c, "copier1", "x", 100); n < ofClient.most || limits == 0 {
			t.Errorf("with another's password: %d wrong, %d limited", n, limits)
		}
		if _, err := k.Verify(t.Context(), from("10.0.8.2"), "copier1", copierWords); err != nil {
			t.Errorf("another device with the same login: %v", err)
		}
	})
}

// While all tries of a login wait, a new client is told so in time.
func TestTurnsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(quick(t))
		m := newMAC(k.key, "login", "copier1")
		g := k.ofLogins.get(string(m[:]), true)
		for range maxAtOnce {
			if entered, err := g.enter(t.Context(), nil); !entered || err != nil {
				t.Fatal(entered, err)
			}
		}
		began := time.Now()
		if _, err := k.Verify(t.Context(), from("10.0.0.1"), "copier1", copierWords); reasonOf(t, err) != limited {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != maxTurn {
			t.Errorf("after %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.Verify(ctx, from("10.0.0.1"), "copier1", copierWords); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		g.leave()
		if _, err := k.Verify(t.Context(), from("10.0.0.1"), "copier1", copierWords); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

// A client that closes while it is delayed has learned nothing, and ends at once.
func TestCancelledDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(quick(t))
		c := from("10.0.0.1")
		tries(t, k, c, "copier1", "x", 10)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("closed"))
		defer cancel()
		if _, err := k.Verify(ctx, c, "copier1", copierWords); err == nil || err.Error() != "closed" {
			t.Errorf("got %v", err)
		}
	})
}

// What was right is computed once, until the file is replaced.
func TestRightIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(shop(t))
		fill := func() { // so that no core is free
			for range cap(k.hashes) {
				k.hashes <- struct{}{}
			}
		}
		fill()
		sign := func(addr string) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := k.Verify(ctx, from(addr), "copier1", copierWords)
			return err
		}
		if err := sign("10.0.0.1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a hash was computed: %v", err)
		}
		for range cap(k.hashes) {
			<-k.hashes
		}
		if err := sign("10.0.0.1"); err != nil {
			t.Fatal(err)
		}
		fill()
		for _, addr := range []string{"10.0.0.1", "10.0.0.2"} { // and a client that is new is served as well
			if err := sign(addr); err != nil {
				t.Errorf("%s: %v", addr, err)
			}
		}
		k.Replace(shop(t))
		if err := sign("10.0.0.1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it is remembered over a new file: %v", err)
		}
	})
}

// Newcomers, however many there are, do not hold up a client that has signed in before.
func TestNewcomersWaitBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(shop(t))
		device := from("10.0.0.1")
		if _, err := k.Verify(t.Context(), device, "copier1", copierWords); err != nil {
			t.Fatal(err)
		}
		k.now.Load().right = newMemory() // as after another sign-in than the last 4096
		for range cap(k.newcomers) {
			k.newcomers <- struct{}{}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				_, err := k.Verify(ctx, from(fmt.Sprintf("10.0.1.%d", i)), fmt.Sprint(i), "x")
				if !errors.Is(err, context.Canceled) {
					t.Errorf("a newcomer: %v", err)
				}
			})
		}
		synctest.Wait()
		if _, err := k.Verify(t.Context(), device, "copier1", copierWords); err != nil {
			t.Error(err)
		}
		cancel()
		all.Wait()
	})
}

// No more hashes than cores are computed at once.
func TestHashesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := New(shop(t))
		for range cap(k.hashes) {
			k.hashes <- struct{}{}
		}
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := k.Verify(t.Context(), from("10.0.0.1"), "copier1", copierWords); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // it would be done if it could be
		if len(k.hashes) != cap(k.hashes) {
			t.Error("a hash was computed")
		}
		<-k.hashes
		all.Wait()
	})
}

// The tables are bounded, whatever clients send.
func TestTablesAreBounded(t *testing.T) {
	t.Parallel()
	s := newGuards(ofClient)
	first := s.get("0", true)
	for i := range maxGuards + 100 {
		s.get(fmt.Sprint(i), true)
		s.get("0", true)
	}
	if s.order.Len() != maxGuards || len(s.byKey) != maxGuards || s.get("0", false) != first || s.get("1", false) != nil {
		t.Errorf("%d and %d guards", s.order.Len(), len(s.byKey))
	}
	r := newMemory()
	var last mac
	for i := range maxRight + 100 {
		last = newMAC(NewSecret("k"), fmt.Sprint(i))
		r.add(last)
		r.add(last)
	}
	if len(r.right) != maxRight || len(r.order) != maxRight || !r.has(last) || r.has(newMAC(NewSecret("k"), "0")) {
		t.Errorf("%d are remembered", len(r.right))
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"10.0.0.1": "10.0.0.1/32", "::ffff:10.0.0.1": "10.0.0.1/32", "127.1.2.3": "127.0.0.0/8", "::1": "::/64",
		"2001:db8::1:2:3:4": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := from(addr).group().String(); got != want {
			t.Errorf("%s is of %s, want %s", addr, got, want)
		}
	}
}

// An unknown login costs a hash of a kind that the file has, always the same one.
func TestUnknownLoginCostsTheSame(t *testing.T) {
	t.Parallel()
	text, err := Hash("x", Argon2id)
	if err != nil {
		t.Fatal(err)
	}
	k := New(mustParse(t, in("    password: "+hashOf(t, "x")+"\n  - {name: y, password: '"+text+"'}\n  - {name: z, password: "+
		hashOf(t, "y")+"}\n")))
	if dummy := k.now.Load().dummy; len(dummy) != 2 || dummy[0].sameCost(dummy[1]) {
		t.Errorf("%d kinds", len(dummy))
	}
	if dummy := New(shop(t)).now.Load().dummy; len(dummy) != 1 {
		t.Errorf("%d kinds", len(dummy))
	}
}

// What a printer costs that signs in for each scan.
func BenchmarkVerifyRemembered(b *testing.B) {
	k := New(shop(b))
	c := from("10.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Verify(b.Context(), c, "copier1", copierWords); err != nil {
			b.Fatal(err)
		}
	}
}
