package m365_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
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

// Whatever else is answered, nothing is put into force and a line says so.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	text := func(version, list string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/version/") {
				_, _ = io.WriteString(w, version)
				return
			}
			_, _ = io.WriteString(w, list)
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"instance":"Worldwide","latest":"2026090100"}`)
		}
	}
	const good, page = `{"instance":"Worldwide","latest":"2026090100"}`, "<!DOCTYPE html><html>Sign in to the Wi-Fi</html>"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"nothing":         {text("", ""), "reading the version"},
		"page":            {text(page, page), "reading the version"},
		"no version":      {text(`{"instance":"Worldwide","latest":"latest"}`, aList), "reading the version"},
		"long version":    {text(`{"instance":"Worldwide","latest":"20260901000"}`, aList), "reading the version"},
		"other instance":  {text(`{"instance":"China","latest":"2026090100"}`, aList), "reading the version"},
		"all instances":   {text("["+good+"]", aList), "reading the version"},
		"endless version": {text(good+strings.Repeat(" ", 1<<20), aList), "more than"},
		"empty list":      {text(good, ""), "reading the list"},
		"page for list":   {text(good, page), "reading the list"},
		"torn list":       {text(good, aList[:10]), "reading the list"},
		"endless list":    {text(good, "["+strings.Repeat("1,", 3<<20)), "more than 4194304 bytes"},
		"server error":    {status(500), "500 Internal Server Error"},
		"unavailable":     {status(503), "503 Service Unavailable"},
		"not found":       {status(404), "404 Not Found"},
		"no content":      {status(206), "206 Partial Content"},
		"unheard of":      {status(599), "the answer is 599"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/version/Elsewhere", http.StatusFound)
		}, "302 Found"},
		"permanent": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
		}, "308"},
		"connection drops": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{handler: c.answer}
			r, result := over(t, s, true, &memory{})
			if result.Outcome != m365.Failed || !result.Current.IsZero() || r.list() != "" {
				t.Errorf("result %+v, in force %q", result, r.list())
			}
			if log := r.log.String(); !strings.Contains(log, c.want) || strings.Count(log, "\n") != 1 {
				t.Errorf("log: %.1000s", log)
			}
			for _, u := range s.urls() {
				if strings.Contains(strings.ToLower(u), "elsewhere") {
					t.Errorf("followed to %s", u)
				}
			}
		})
	}
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
