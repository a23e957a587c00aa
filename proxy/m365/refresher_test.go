package m365_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/m365"
)

// later lets time pass and returns what was asked meanwhile.
func (s *service) later(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	return s.urls()
}

// paths are the paths of URLs, in one text.
func paths(urls []string) string {
	var all []string
	for _, u := range urls {
		path, _, _ := strings.Cut(strings.TrimPrefix(u, "https://endpoints.office.com"), "?")
		all = append(all, path)
	}
	return strings.Join(all, " ")
}

const (
	version = "/version/Worldwide"
	both    = "/version/Worldwide /endpoints/Worldwide"
)

func TestAsksHourly(t *testing.T) {
	t.Parallel()
	onADay(t, func(t *testing.T) {
		s := &service{version: aVersion, list: aList}
		r := start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: &memory{}})
		if got := paths(s.later(time.Second)); got != both {
			t.Errorf("at first it asks %q", got)
		}
		if got := paths(s.later(time.Hour - 2*time.Second)); got != "" {
			t.Errorf("within the hour it asks %q", got)
		}
		if got := paths(s.later(12*time.Minute + 2*time.Second)); got != version {
			t.Errorf("after the hour it asks %q", got)
		}
		s.urls()
		if n := len(s.later(7 * 24 * time.Hour)); n < 7*20 || n > 7*24 {
			t.Errorf("in a week it asks %d times", n)
		}
		s.set("2026100100", `["next"]`)
		if got := paths(s.later(72 * time.Minute)); !strings.Contains(got, both) || r.list() != `2026100100 ["next"]` {
			t.Errorf("for a new version it asks %q; in force is %q", got, r.list())
		}
		// A service that falls back, as one behind a stale cache.
		s.set(aVersion, aList)
		if got := paths(s.later(72 * time.Minute)); strings.Contains(got, "endpoints") || r.list() != `2026100100 ["next"]` {
			t.Errorf("for an older version it asks %q; in force is %q", got, r.list())
		}
	})
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code       int
		retryAfter string
		most       time.Duration // to the next question
		least      time.Duration
	}{
		{429, "", time.Hour + time.Minute, time.Hour},
		{429, "5", time.Hour + time.Minute, time.Hour},
		{429, "soon", time.Hour + time.Minute, time.Hour},
		{429, "-1", time.Hour + time.Minute, time.Hour},
		{429, "99999999999999999999", time.Hour + time.Minute, time.Hour},
		{429, "10800", 3*time.Hour + time.Minute, 3 * time.Hour},
		{429, "Tue, 24 Nov 2026 05:00:00 GMT", 5*time.Hour + time.Minute, 5 * time.Hour},
		{429, "Sun, 01 Jan 2040 00:00:00 GMT", 24*time.Hour + time.Minute, 24 * time.Hour},
		{429, "1000000000", 24*time.Hour + time.Minute, 24 * time.Hour},
		{503, "7200", 2*time.Hour + time.Minute, 2 * time.Hour},
	} {
		onADay(t, func(t *testing.T) {
			s := &service{handler: func(w http.ResponseWriter, _ *http.Request) {
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				w.WriteHeader(c.code)
			}}
			store := &memory{}
			r := start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: store})
			begun := time.Now()
			if got := (<-r.results).Outcome; got != m365.Throttled {
				t.Errorf("%d %q: outcome %s", c.code, c.retryAfter, got)
			}
			// A restart does not shorten it.
			r.stop()
			r = start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: store})
			<-r.results
			if wait := time.Since(begun); wait < c.least || wait > c.most {
				t.Errorf("%d %q: asked again after %s", c.code, c.retryAfter, wait)
			}
		})
	}
}

// A failing service is tried again hourly, and complained of once.
func TestFailuresInARow(t *testing.T) {
	t.Parallel()
	onADay(t, func(t *testing.T) {
		s := &service{handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }}
		r := start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: &memory{}})
		if n := len(s.later(24 * time.Hour)); n < 20 || n > 25 {
			t.Errorf("in a day it asks %d times", n)
		}
		s.mu.Lock()
		s.version, s.list, s.handler = aVersion, aList, nil
		s.mu.Unlock()
		s.later(2 * time.Hour)
		if r.list() == "" {
			t.Error("a service that works again is not asked")
		}
		r.stop()
		if n := strings.Count(r.log.String(), "\n"); n != 1 {
			t.Errorf("%d lines: %s", n, r.log.String())
		}
	})
}

func TestRestart(t *testing.T) {
	t.Parallel()
	onADay(t, func(t *testing.T) {
		s := &service{version: aVersion, list: aList}
		store := &memory{}
		cfg := m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: store}
		r := start(t, cfg)
		first := s.later(time.Second)
		r.stop()
		for range 5 {
			r := start(t, cfg)
			if got := s.later(time.Minute); len(got) != 0 || r.list() != aVersion+" "+aList {
				t.Errorf("after a restart it asks %v; in force is %q", got, r.list())
			}
			r.stop()
		}
		time.Sleep(48 * time.Hour)
		start(t, cfg)
		again := s.later(time.Second)
		if paths(again) != version {
			t.Errorf("two days later it asks %v", again)
		}
		if id(first[0]) != id(again[0]) || id(first[1]) != id(first[0]) {
			t.Errorf("the id changes: %v, %v", first, again)
		}
		// Another installation has another.
		other := start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: &memory{}})
		if urls := s.later(time.Second); id(urls[0]) == id(first[0]) {
			t.Errorf("two installations share an id: %v", urls)
		}
		other.stop()
	})
}

// A version of the far future would be the newest for ever, and one that goes
// back would pass for news that the list is current.
func TestVersionsOutOfOrder(t *testing.T) {
	t.Parallel()
	onADay(t, func(t *testing.T) {
		s := &service{version: aVersion, list: aList}
		r := start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: &memory{}})
		s.later(time.Second)
		current := last(r).Current
		for _, version := range []string{"9999123199", "2027030100", "2026010100"} {
			s.mu.Lock()
			s.version = version
			s.mu.Unlock()
			s.later(2 * time.Hour)
			if got := last(r); got.Outcome != m365.Failed || got.Current != current || r.list() != aVersion+" "+aList {
				t.Errorf("%s: result %+v, in force %q", version, got, r.list())
			}
		}
		s.mu.Lock()
		s.version = "2027010100" // published ahead
		s.mu.Unlock()
		s.later(2 * time.Hour)
		if got := last(r); got.Current == current || r.list() != "2027010100 "+aList {
			t.Errorf("result %+v, in force %q", got, r.list())
		}
		r.stop()
	})
}

func id(url string) string { return url[strings.Index(url, "ClientRequestId="):] }

// A process that ends while it waits for the answer does not ask at once when
// it starts again.
func TestEndsWhileAsking(t *testing.T) {
	t.Parallel()
	onADay(t, func(t *testing.T) {
		s := &service{handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
		store := &memory{}
		cfg := m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: store}
		r := start(t, cfg)
		if n := len(s.later(time.Second)); n != 1 {
			t.Errorf("asked %d times", n)
		}
		r.stop()
		if len(r.results) != 0 || r.log.Len() != 0 {
			t.Errorf("the end counts as a result: %s", r.log.String())
		}
		r = start(t, cfg)
		if got := s.later(50 * time.Minute); len(got) != 0 {
			t.Errorf("asked %v", got)
		}
		r.stop()
	})
}

// A service that takes the connection and says nothing is given up.
func TestSilentService(t *testing.T) {
	t.Parallel()
	onADay(t, func(t *testing.T) {
		s := &silent{}
		r := start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: &memory{}})
		begun := time.Now()
		if got := (<-r.results).Outcome; got != m365.Failed || time.Since(begun) != 30*time.Second {
			t.Errorf("outcome %s after %s", got, time.Since(begun))
		}
	})
}

type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A rejected list is not asked for again until the next day or version.
func TestRejected(t *testing.T) {
	t.Parallel()
	onADay(t, func(t *testing.T) {
		s := &service{version: aVersion, list: aList}
		store := &memory{}
		cfg := m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: store}
		r := start(t, cfg)
		s.later(2 * time.Hour)
		current := last(r).Current
		s.set("2026100100", `["bad"]`)
		if got := paths(s.later(72 * time.Minute)); strings.Count(got, "endpoints") != 1 {
			t.Errorf("it asks %q", got)
		}
		if got := paths(s.later(20 * time.Hour)); strings.Contains(got, "endpoints") || got == "" {
			t.Errorf("on the same day it asks %q", got)
		}
		if got := last(r); got.Outcome != m365.Rejected || !got.Current.Equal(current) || r.list() != aVersion+" "+aList {
			t.Errorf("result %+v (the old list was current at %s), in force %q", got, current, r.list())
		}
		r.stop()
		if n := strings.Count(r.log.String(), "the list is bad"); n != 1 || strings.Count(r.log.String(), "\n") != 1 {
			t.Errorf("log: %s", r.log.String())
		}
		r = start(t, cfg)
		if got := paths(s.later(time.Hour)); strings.Contains(got, "endpoints") || r.list() != aVersion+" "+aList {
			t.Errorf("after a restart it asks %q; in force is %q", got, r.list())
		}
		if got := paths(s.later(6 * time.Hour)); strings.Count(got, "endpoints") != 1 {
			t.Errorf("on the next day it asks %q", got)
		}
		s.set("2026100101", `["better"]`)
		if s.later(72 * time.Minute); r.list() != `2026100101 ["better"]` {
			t.Errorf("in force is %q", r.list())
		}
	})
}

// last drains the results and returns the last one.
func last(r *run) m365.RefreshResult {
	var result m365.RefreshResult
	for len(r.results) > 0 {
		result = <-r.results
	}
	return result
}
