package m365_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/m365"
)

// A disk that is full for long is complained of once.
func TestStateCannotBeSavedForLong(t *testing.T) {
	t.Parallel()
	onADay(t, func(t *testing.T) {
		s := &service{version: aVersion, list: aList}
		r := start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: &memory{err: errors.New("disk full")}})
		s.later(24 * time.Hour)
		r.stop()
		if n := strings.Count(r.log.String(), "\n"); n != 1 {
			t.Errorf("%d lines: %s", n, r.log.String())
		}
	})
}

// A state that is torn, foreign, old or no longer accepted leaves the built-in
// list in force, and the service is asked.
func TestStateThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	const head = `{"instance":"Worldwide","client_request_id":"6f9619ff-8b86-4011-b42d-00c04fc964ff",`
	for name, c := range map[string]struct{ text, log string }{
		"torn":     {head + `"version":"20260`, "unexpected end"},
		"empty":    {"", "unexpected end"},
		"foreign":  {"listen: 127.0.0.1", "invalid character"},
		"instance": {strings.Replace(head, "Worldwide", "China", 1) + `"version":"2026090100","list":["x"]}`, "instance"},
		"no id":    {`{"instance":"Worldwide","version":"2026090100","list":["x"]}`, "client request id"},
		"id": {`{"instance":"Worldwide","client_request_id":"6f9619ff-8b86-4011-b42d-00c04fc964f&",` +
			`"version":"2026090100","list":["x"]}`, "client request id"},
		"no list":       {head + `"version":"2026090100"}`, "no list"},
		"no version":    {head + `"list":["x"]}`, "no list"},
		"other version": {head + `"version":"1","list":["x"]}`, "no list"},
		"huge":          {head + strings.Repeat(" ", 5<<20) + `"version":"2026090100","list":["x"]}`, "bytes"},
		"rejected":      {head + `"version":"2026090100","list":["bad"]}`, "the list is bad"},
		"old":           {head + `"version":"2026081399","list":["x"]}`, ""},
	} {
		onADay(t, func(t *testing.T) {
			s := &service{version: "2026100100", list: `["new"]`}
			store := &memory{text: []byte(c.text)}
			r := start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: store, BuiltIn: "2026081400"})
			if got := paths(s.later(time.Second)); got != both || r.list() != `2026100100 ["new"]` {
				t.Errorf("%s: asks %q; in force is %q", name, got, r.list())
			}
			r.stop()
			if log := r.log.String(); !strings.Contains(log, c.log) || (c.log == "") != (log == "") {
				t.Errorf("%s: log: %s", name, log)
			}
			if saved, err := m365.ReadSaved(store, m365.Worldwide); err != nil || saved.Version != "2026100100" {
				t.Errorf("%s: saved %+v, %v", name, saved, err)
			}
		})
	}
}

// A time from when the clock was wrong does not silence it for years.
func TestClockWasWrong(t *testing.T) {
	t.Parallel()
	onADay(t, func(t *testing.T) {
		s := &service{version: aVersion, list: aList}
		store := &memory{text: fmt.Appendf(nil,
			`{"instance":"Worldwide","client_request_id":"6f9619ff-8b86-4011-b42d-00c04fc964ff","next":"2099-01-01T00:00:00Z"}`)}
		start(t, m365.RefreshConfig{Client: &http.Client{Transport: s}, Store: store})
		if got := paths(s.later(time.Second)); got != both {
			t.Errorf("it asks %q", got)
		}
	})
}

// FuzzRead holds what is read from a state file to its form.
func FuzzRead(f *testing.F) {
	f.Add(`{"instance":"Worldwide","client_request_id":"6f9619ff-8b86-4011-b42d-00c04fc964ff","version":"2026090100","list":[{"id":1}]}`)
	f.Add(`{"instance":"Worldwide","client_request_id":"6f9619ff-8b86-4011-b42d-00c04fc964ff","next":"2099-01-01T00:00:00Z","list":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		saved, err := m365.ReadSaved(&memory{text: []byte(text)}, m365.Worldwide)
		if err == nil && (saved.Version == "") != (len(saved.List) == 0) {
			t.Fatalf("saved %+v", saved)
		}
	})
}
