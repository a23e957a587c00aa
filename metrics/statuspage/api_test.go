package statuspage

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func readJSON[T any](t *testing.T, h http.Handler, path string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(page(t, h, path)), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestClientsInJSON(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	for query, want := range map[string]string{
		"filter=failing&sort=name": "192.0.2.90 copier-accounting fax-reception",
		"filter=legacy&sort=version&order=desc&q=office": "192.0.2.90 erp-mailer fax-reception plotter copier-accounting lab-pc-xp " +
			"scanner-2nd-floor scanner-warehouse",
		"filter=failing&sort=failures":  "192.0.2.90 copier-accounting fax-reception",
		"q=SCANNER-2":                   "scanner-2nd-floor",
		"q=192.0.2.57":                  "192.0.2.57",
		"q=nobody":                      "",
		"sort=seen&q=scanner":           "scanner-2nd-floor scanner-warehouse",
		"sort=seen&order=asc&q=scanner": "scanner-warehouse scanner-2nd-floor",
	} {
		answer := readJSON[Clients](t, h, "/api/v1/clients?"+query)
		var names []string
		for _, c := range answer.Clients {
			names = append(names, c.Client.Client)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

func TestAClientInJSON(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	c := readJSON[Client](t, h, "/api/v1/clients/copier-accounting")
	if f := c.Client.Failure; !c.Failing || !c.Legacy || f == nil || f.Remedy == "" || f.Fault != record.FaultClient ||
		c.Address.String() != "192.0.2.32" {
		t.Errorf("got %+v", c)
	}
	for _, path := range []string{"/api/v1/clients/nobody", "/api/v1/", "/api/v2/clients"} {
		if resp, body := get(t, h, path); resp.StatusCode != http.StatusNotFound || !strings.HasPrefix(body, `{"error":"`) {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestWrongQueriesAreRefused(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	for path, want := range map[string]string{
		"/?sort=age":                        "none of name",
		"/?filter=some":                     "none of all",
		"/?order=up":                        "asc nor desc",
		"/?page=0":                          "above zero",
		"/api/v1/clients?sort=age":          "none of name",
		"/api/v1/clients.csv?filter=x":      "none of all",
		"/api/v1/connections?after=-1":      "last one that you have",
		"/api/v1/connections?limit=1001":    "0 to 1000",
		"/api/v1/connections?wait=1h":       "0s to 30s",
		"/api/v1/connections?wait=tomorrow": "0s to 30s",
	} {
		if resp, body := get(t, h, path); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, body)
		}
	}
}

func numbers(all []inventory.Connection) []uint64 {
	var n []uint64
	for _, c := range all {
		n = append(n, c.Number)
	}
	return n
}

func TestConnectionsAreReadInTurn(t *testing.T) {
	t.Parallel()
	k := testenv.NewInventory()
	for i := range 10 {
		k.Connect(inventory.Connection{Client: []string{"a", "b"}[i%2]})
	}
	h := newSite(t, options(t, k))
	for query, want := range map[string]struct {
		numbers []uint64
		last    uint64
	}{
		"":                        {[]uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10},
		"limit=2":                 {[]uint64{9, 10}, 10},
		"limit=0":                 {nil, 10},
		"after=7":                 {[]uint64{8, 9, 10}, 10},
		"after=3&limit=2":         {[]uint64{4, 5}, 5},
		"after=10":                {nil, 10},
		"client=b&limit=2":        {[]uint64{8, 10}, 10},
		"client=b&after=8&wait=0": {[]uint64{10}, 10},
		"client=nobody":           {nil, 0},
	} {
		got := readJSON[Connections](t, h, "/api/v1/connections?"+query)
		if g := numbers(got.Connections); len(g) != len(want.numbers) || len(g) > 0 && g[0] != want.numbers[0] || got.Last != want.last {
			t.Errorf("%s: got %v and last %d, want %v", query, g, got.Last, want)
		}
	}
}

func TestAReaderWaitsForTheNextConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := testenv.NewInventory()
		h := newSite(t, Options{Inventory: k})
		began := time.Now()
		if got := readJSON[Connections](t, h, "/api/v1/connections?after=0&wait=30s"); len(got.Connections) != 0 || time.Since(began) != maxWait {
			t.Errorf("got %+v after %s", got, time.Since(began))
		}
		time.AfterFunc(10*time.Second, func() { k.Connect(inventory.Connection{Client: "a"}) })
		began = time.Now()
		got := readJSON[Connections](t, h, "/api/v1/connections?after=0&wait=30s")
		if len(got.Connections) != 1 || time.Since(began) != 10*time.Second {
			t.Errorf("got %+v after %s", got, time.Since(began))
		}
	})
}

// Readers who find no place are told to come back, so that they do not ask again at once.
// None of them, and no group of addresses, can take all places.
func TestTooManyReadersAreTurnedAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSite(t, Options{Inventory: testenv.NewInventory()})
		var waiting sync.WaitGroup
		ask := func(client, query string) *http.Response {
			r := httptest.NewRequest(http.MethodGet, "/api/v1/connections?after=0"+query, nil)
			r.RemoteAddr = client
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Result()
		}
		wait := func(client string) {
			waiting.Go(func() {
				if resp := ask(client, "&wait=30s"); resp.StatusCode != http.StatusOK {
					t.Errorf("%s: status %d", client, resp.StatusCode)
				}
			})
		}
		turnedAway := func(client string) {
			began := time.Now()
			resp := ask(client, "&wait=30s")
			if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "10" || time.Since(began) != 0 ||
				resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: got %d %v after %s", client, resp.StatusCode, resp.Header, time.Since(began))
			}
			if resp := ask(client, ""); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: a question without a wait: status %d", client, resp.StatusCode)
			}
		}
		for i := range maxWaitingPerGroup {
			wait(fmt.Sprintf("[2001:db8::%x]:5000", i+1)) // a host may take any number of addresses
		}
		synctest.Wait()
		turnedAway("[2001:db8::ffff:1]:5000")
		for i := range maxWaiting - maxWaitingPerGroup {
			wait(fmt.Sprintf("192.0.2.%d:5000", i+1))
		}
		synctest.Wait()
		turnedAway("198.51.100.1:5000")
		waiting.Wait()
		wait("198.51.100.1:5000")
		waiting.Wait()
	})
}

func TestCSV(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, office()))
	resp, body := get(t, h, "/api/v1/clients.csv?filter=failing&sort=name")
	if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="tlslift-clients.csv"` {
		t.Errorf("Content-Disposition is %q", got)
	}
	lines, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 4 || lines[0][0] != "client" || lines[2][0] != "copier-accounting" || lines[2][3] != "failing" ||
		lines[0][19] != "fault" || lines[2][19] != "client" {
		t.Errorf("got %q", lines)
	}
}

func TestCSVHasNoFormulas(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, hostile()))
	body := page(t, h, "/api/v1/clients.csv")
	lines, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != len(hostileTexts())+1 {
		t.Errorf("got %d lines for %d clients", len(lines), len(hostileTexts()))
	}
	for _, line := range lines {
		for _, c := range line {
			if strings.ContainsAny(strings.TrimLeft(c, " \t")[:min(1, len(c))], "=+-@") || strings.ContainsFunc(c, unicode.IsControl) {
				t.Errorf("a cell is %q", c)
			}
		}
	}
}

// FuzzQuery holds whatever is asked for to be refused or answered by valid JSON
// in ASCII.
func FuzzQuery(f *testing.F) {
	f.Add("filter=failing&sort=seen&order=asc&q=x&page=2", "a", uint64(1))
	f.Add("after=1&limit=3&client=%ff", "b\u202e", uint64(0))
	f.Fuzz(func(t *testing.T, raw, name string, n uint64) {
		k := testenv.NewInventory(inventory.Client{Client: name, Offered: name, LastSeen: time.Unix(int64(n%1e10), 0)})
		k.Connect(inventory.Connection{Client: name, ServerName: name})
		h := newSite(t, Options{Inventory: k})
		for _, path := range []string{"/", "/api/v1/clients", "/api/v1/clients.csv", "/api/v1/connections"} {
			v, err := url.ParseQuery(raw)
			if err != nil {
				return
			}
			v.Del("wait")
			resp, body := get(t, h, path+"?"+v.Encode())
			if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusBadRequest {
				t.Fatalf("%s: status %d", path, resp.StatusCode)
			}
			inJSON := resp.Header.Get("Content-Type") == "application/json"
			notASCII := func(r rune) bool { return r < ' ' || r > '~' }
			if inJSON && (!json.Valid([]byte(body)) || strings.ContainsFunc(strings.TrimSuffix(body, "\n"), notASCII)) {
				t.Fatalf("%s: got %q", path, body)
			}
		}
	})
}

// A client is forgotten by its name; one that is misspelt is an error that says which one
// was meant.
func TestForgetInTheAPI(t *testing.T) {
	t.Parallel()
	o := options(t, office())
	forget := func(h http.Handler, name string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, ClientsPath+url.PathEscape(name), nil))
		return w.Code, w.Body.String()
	}
	if code, text := forget(newSite(t, o), "fax-reception"); code != http.StatusNotImplemented {
		t.Errorf("nobody to forget it: %d %s", code, text)
	}
	var forgotten []string
	o.Forget = func(key string) bool {
		_, known := o.Inventory.Client(key)
		if known {
			forgotten = append(forgotten, key)
		}
		return known
	}
	h := newSite(t, o)
	for name, want := range map[string]string{
		"fax-reception":           `{"forgotten":"fax-reception"}`,
		"fax-recepton":            `did you mean \"fax-reception\"?`,
		"192.0.2.32":              `the client with this address is called \"copier-accounting\"`,
		"zzzzzzzzzzzzzzz":         `no client is called \"zzzzzzzzzzzzzzz\"; tlslift clients and /api/v1/clients list all`,
		"a/b":                     `no client is called \"a/b\"`,
		strings.Repeat("x", 8000): "list all",
	} {
		code, text := forget(h, name)
		if (code == http.StatusOK) != (name == "fax-reception") || code >= 500 || !strings.Contains(text, want) {
			t.Errorf("%.20q: got %d %s, want %s", name, code, text, want)
		}
	}
	if len(forgotten) != 1 {
		t.Errorf("forgot %q", forgotten)
	}
	if _, text := get(t, h, ClientsPath+"copier-acounting"); !strings.Contains(text, `did you mean \"copier-accounting\"?`) {
		t.Errorf("GET: got %s", text)
	}
}
