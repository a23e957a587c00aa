package localca

import (
	"crypto/tls"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestManyCallsSignOnce(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			name := fmt.Sprintf("n%d.example", i%3)
			p := profiles[i%len(profiles)]
			cert, err := ca.Leaf(name, []string{"m.example"}, p)
			if err != nil || cert.Leaf.DNSNames[0] != name {
				t.Errorf("%s, %+v: %v", name, p, err)
			}
		})
	}
	all.Wait()
	if want := uint64(3 * len(profiles)); ca.Issued() != want {
		t.Errorf("%d leaves were signed for 3 names with %d profiles", ca.Issued(), len(profiles))
	}
}

// A leaf that takes long to make does not hold up another name.
func TestNamesDoNotWaitForOneAnother(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	making, done := make(chan struct{}), make(chan struct{})
	slow := &entry{from: time.Now().Add(-day), until: time.Now().Add(day), leaf: sync.OnceValues(func() (*tls.Certificate, error) {
		close(making)
		<-done
		return &tls.Certificate{}, nil
	})}
	ca.leaves.get(cacheKey("slow.example", nil, Profile{Bits: rsaBits}), time.Now(), func() *entry { return slow })
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := ca.Leaf("slow.example", nil, Profile{}); err != nil {
			t.Error(err)
		}
	})
	<-making
	leaf(t, ca, "fast.example")
	close(done)
	waiting.Wait()
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{CacheSize: 2})
	for step, test := range []struct {
		name   string
		issued uint64
	}{
		{"a.example", 1}, {"b.example", 2}, {"a.example", 2},
		{"c.example", 3}, // pushes b out, a was asked for later
		{"a.example", 3}, {"b.example", 4}, {"a.example", 4}, {"c.example", 5},
	} {
		leaf(t, ca, test.name)
		if ca.Issued() != test.issued {
			t.Errorf("step %d, %s: issued %d, want %d", step, test.name, ca.Issued(), test.issued)
		}
	}
	if n := ca.leaves.recent.Len(); n != 2 || len(ca.leaves.entries) != 2 {
		t.Errorf("the cache holds %d and %d", n, len(ca.leaves.entries))
	}
}

func TestDifferentMirrorsAreDifferentLeaves(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	for i, mirror := range [][]string{nil, {"b.example"}, {"b.example", "c.example"}, {"b.examplec.example"}} {
		if got := leaf(t, ca, "a.example", mirror...).DNSNames; len(got) != 1+len(mirror) || ca.Issued() != uint64(i+1) {
			t.Errorf("mirror %q: names %q, issued %d", mirror, got, ca.Issued())
		}
	}
}

// A failure is not remembered.
func TestFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	good := ca.key
	ca.key = testenv.RSAKey(t, 0) // CreateCertificate notices
	if _, err := ca.Leaf("a.example", nil, Profile{}); err == nil {
		t.Fatal("a leaf was signed by another key")
	}
	ca.key = good
	leaf(t, ca, "a.example")
}
