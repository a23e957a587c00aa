package inventory

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

func TestReverseDNS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := map[netip.Addr]int{}
		lookup := func(ctx context.Context, a netip.Addr) ([]string, error) {
			mu.Lock()
			asked[a]++
			mu.Unlock()
			if a == netip.MustParseAddr("192.0.2.9") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []string{"<b>.example.com.", "Printer-7.example.com.", strings.Repeat("a.", 200)}, nil
		}
		v := New(Options{Lookup: lookup})
		defer running(v)()
		for range 50 {
			for _, a := range []string{"192.0.2.7", "192.0.2.9"} {
				v.Closed(lifted(a, time.Now()))
			}
			v.Closed(refusedBy(record.ReasonClientNotAllowed, "203.0.113.5", time.Now()))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if c, _ := v.Client("192.0.2.7"); c.Host != "printer-7.example.com" {
			t.Errorf("the host is %q", c.Host)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(asked) != 2 || asked[netip.MustParseAddr("192.0.2.7")] != 1 || asked[netip.MustParseAddr("192.0.2.9")] != 1 {
			t.Errorf("asked %v", asked)
		}
	})
}

// A name server that does not answer delays nothing, and gets only a few questions
// at once.
func TestDeadNameServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		v := New(Options{Lookup: func(ctx context.Context, _ netip.Addr) ([]string, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			now--
			mu.Unlock()
			return nil, ctx.Err()
		}})
		stop := running(v)
		for i := range 5000 {
			v.Closed(lifted(numbered(i), time.Now()))
		}
		time.Sleep(time.Minute)
		stop()
		if most != maxLookups {
			t.Errorf("%d questions at once", most)
		}
	})
}

func TestHostName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		names []string
		want  string
	}{
		{nil, ""}, {[]string{""}, ""}, {[]string{"."}, ""}, {[]string{"a..b."}, ""},
		{[]string{"b.example.com.", "A.example.com."}, "a.example.com"},
		{[]string{"pr_1.lan"}, "pr_1.lan"}, {[]string{"a b.lan", "\x1b[2J.lan", "\u00e4.lan"}, ""},
		{[]string{strings.Repeat("a", 64) + ".lan"}, ""}, {[]string{"10.0.0.1", "127.1", "-a.lan"}, ""},
		{[]string{strings.Repeat("a", 63) + ".lan"}, strings.Repeat("a", 63) + ".lan"},
		{[]string{strings.Repeat("a.", 126) + "ab"}, ""},
	} {
		if got := hostName(test.names); got != test.want {
			t.Errorf("%q: got %q, want %q", test.names, got, test.want)
		}
	}
}
