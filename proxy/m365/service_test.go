package m365_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/m365"
)

const (
	aVersion = "2026090100"
	aList    = `[{"id":1,"urls":["a&b"]}]`
)

// over runs against a service reached by TLS until the first result.
func over(t *testing.T, s *service, trusted bool, store m365.Store) (*run, m365.RefreshResult) {
	t.Helper()
	r := start(t, m365.RefreshConfig{Client: s.client(t, trusted), Store: store, BuiltIn: "2026081400"})
	result := <-r.results
	r.stop()
	return r, result
}

func TestNewVersion(t *testing.T) {
	t.Parallel()
	s := &service{version: aVersion, list: aList}
	store := &memory{}
	r, result := over(t, s, true, store)
	if result.Outcome != m365.Updated || result.Current.IsZero() || r.list() != aVersion+" "+aList {
		t.Errorf("result %+v, in force %q", result, r.list())
	}
	urls := s.urls()
	if len(urls) != 2 {
		t.Fatalf("asked %v", urls)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for i, path := range []string{"/version/Worldwide", "/endpoints/Worldwide"} {
		u, err := url.Parse(urls[i])
		if err != nil || u.Path != path || !uuid.MatchString(u.Query().Get("ClientRequestId")) || len(u.Query()) != 1 {
			t.Errorf("asked %s", urls[i])
		}
	}
	saved, err := m365.ReadSaved(store, m365.Worldwide)
	if err != nil || saved.Version != aVersion || string(saved.List) != aList || !saved.Current.Equal(result.Current) {
		t.Errorf("saved %+v, %v", saved, err)
	}
	if r.log.Len() > 0 {
		t.Errorf("log: %s", r.log.String())
	}
}

// The list is asked for only if its version is newer than what is built in.
func TestBuiltInIsNewest(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2026081400", "2026073100"} {
		s := &service{version: version, list: aList}
		store := &memory{}
		r, result := over(t, s, true, store)
		if result.Outcome != m365.Unchanged || result.Current.IsZero() || len(s.urls()) != 1 || r.list() != "" {
			t.Errorf("version %s: result %+v, in force %q", version, result, r.list())
		}
		saved, err := m365.ReadSaved(store, m365.Worldwide)
		if err != nil || saved.Version != "" || saved.List != nil || !saved.Current.Equal(result.Current) {
			t.Errorf("version %s: saved %+v, %v", version, saved, err)
		}
	}
}

// expectRefused asks a service that answers wrongly: nothing is put into force, one line
// of the log says why, and nothing else is fetched.
func expectRefused(t *testing.T, answer http.HandlerFunc, why string) {
	t.Helper()
	s := &service{handler: answer}
	r, result := over(t, s, true, &memory{})
	if result.Outcome != m365.Failed || !result.Current.IsZero() || r.list() != "" {
		t.Errorf("result %+v, in force %q", result, r.list())
	}
	if log := r.log.String(); !strings.Contains(log, why) || strings.Count(log, "\n") != 1 {
		t.Errorf("log: %.1000s", log)
	}
	for _, u := range s.urls() {
		if strings.Contains(strings.ToLower(u), "elsewhere") {
			t.Errorf("followed to %s", u)
		}
	}
}

// goodVersion is a version that is newer than the list in force.
const goodVersion = `{"instance":"Worldwide","latest":"2026090100"}`

// A version or a list that is not one is refused.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	const page = "<!DOCTYPE html><html>Sign in to the Wi-Fi</html>"
	for name, tt := range map[string]struct{ version, list, want string }{
		"nothing":         {"", "", "reading the version"},
		"page":            {page, page, "reading the version"},
		"no version":      {`{"instance":"Worldwide","latest":"latest"}`, aList, "reading the version"},
		"long version":    {`{"instance":"Worldwide","latest":"20260901000"}`, aList, "reading the version"},
		"other instance":  {`{"instance":"China","latest":"2026090100"}`, aList, "reading the version"},
		"all instances":   {"[" + goodVersion + "]", aList, "reading the version"},
		"endless version": {goodVersion + strings.Repeat(" ", 1<<20), aList, "more than"},
		"empty list":      {goodVersion, "", "reading the list"},
		"page for list":   {goodVersion, page, "reading the list"},
		"torn list":       {goodVersion, aList[:10], "reading the list"},
		"endless list":    {goodVersion, "[" + strings.Repeat("1,", 3<<20), "more than 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectRefused(t, func(w http.ResponseWriter, r *http.Request) {
				text := tt.list
				if strings.HasPrefix(r.URL.Path, "/version/") {
					text = tt.version
				}
				_, _ = io.WriteString(w, text)
			}, tt.want)
		})
	}
}

// An answer with another status than 200 is refused, whatever it says.
func TestBadStatuses(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		206: "206 Partial Content",
		404: "404 Not Found",
		500: "500 Internal Server Error",
		503: "503 Service Unavailable",
		599: "the answer is 599",
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			expectRefused(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(code)
				_, _ = io.WriteString(w, goodVersion)
			}, want)
		})
	}
}

// A redirect is not followed.
func TestRedirects(t *testing.T) {
	t.Parallel()
	for code, to := range map[int]string{http.StatusFound: "/version/Elsewhere", http.StatusPermanentRedirect: "/elsewhere"} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			expectRefused(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, code) }, strconv.Itoa(code))
		})
	}
}

// A connection that drops is an answer that is refused.
func TestAnswerDrops(t *testing.T) {
	t.Parallel()
	expectRefused(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF")
}

func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	s := &service{version: aVersion, list: aList}
	r, result := over(t, s, false, &memory{})
	if result.Outcome != m365.Failed || r.list() != "" || len(s.urls()) != 0 {
		t.Errorf("result %+v, in force %q", result, r.list())
	}
	if !strings.Contains(r.log.String(), "x509") {
		t.Errorf("log: %s", r.log.String())
	}
}

// A state that cannot be saved is said, and does not keep the list out.
func TestStateCannotBeSaved(t *testing.T) {
	t.Parallel()
	r, result := over(t, &service{version: aVersion, list: aList}, true, &memory{err: errors.New("disk full")})
	if result.Outcome != m365.Updated || r.list() == "" || !strings.Contains(r.log.String(), "disk full") {
		t.Errorf("result %+v, in force %q, log: %s", result, r.list(), r.log.String())
	}
}

func TestNewRefresherRefuses(t *testing.T) {
	t.Parallel()
	good := m365.RefreshConfig{Client: &http.Client{}, Store: &memory{}, Accept: (&user{}).accept}
	if _, err := m365.NewRefresher(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*m365.RefreshConfig){
		"no such instance": func(c *m365.RefreshConfig) { c.Instance = "mars" },
		"no client":        func(c *m365.RefreshConfig) { c.Client = nil },
		"no store":         func(c *m365.RefreshConfig) { c.Store = nil },
		"no accept":        func(c *m365.RefreshConfig) { c.Accept = nil },
		"built in":         func(c *m365.RefreshConfig) { c.BuiltIn = "2026-08-14" },
	} {
		bad := good
		change(&bad)
		if _, err := m365.NewRefresher(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
