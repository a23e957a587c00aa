package statuspage

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// pacFunctions are what a browser gives to a proxy configuration file.
const pacFunctions = `
function dnsDomainIs(host, domain) {
  return host.length >= domain.length && host.substring(host.length - domain.length) == domain;
}
function shExpMatch(text, shape) {
  var source = shape.replace(/[.+^$(){}|\[\]\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".");
  return new RegExp("^" + source + "$").test(text);
}
`

// ways runs the file in a real JavaScript engine and returns what it says of
// each URL.
func ways(t *testing.T, pac string, urls []string) []string {
	t.Helper()
	testenv.Need(t, "node")
	list, err := json.Marshal(urls)
	if err != nil {
		t.Fatal(err)
	}
	program := pacFunctions + pac + `
console.log(JSON.stringify(` + string(list) + `.map(function (url) {
  return FindProxyForURL(url, new URL(url.replace(/^wss/, "https")).hostname);
})));`
	cmd := exec.CommandContext(t.Context(), "node", "-")
	cmd.Stdin = strings.NewReader(program)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running node: %v\n%s", err, pac)
	}
	var said []string
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatal(err)
	}
	return said
}

func TestPACLeadsOnlyMicrosoft365ToTLSLift(t *testing.T) {
	t.Parallel()
	pac := page(t, newSite(t, options(t, nil)), "http://gateway.example.com:9465/proxy.pac")
	wants := map[string]bool{
		"https://outlook.office365.com/": true, "https://outlook.office365.com:443/x?y=:8080": true, "https://OUTLOOK.office365.com/": true,
		"https://outlook.office365.com./": true, "wss://outlook.office365.com/": true, "https://me:secret@outlook.office365.com/": true,
		"https://contoso.sharepoint.com/": true, "https://a.b.sharepoint.com/": true,
		"https://autodiscover.contoso.onmicrosoft.com/": true, "https://x-files.example.com/": true,

		"http://outlook.office365.com/": false, "https://outlook.office365.com:8443/": false, "ftp://outlook.office365.com/": false,
		"https://outlook.office365.com.example.net/": false, "https://xoutlook.office365.com/": false, "https://outlookxoffice365.com/": false,
		"https://sharepoint.com/": false, "https://evilsharepoint.com/": false, "https://sharepoint.com.example.net/": false,
		"https://autodiscover.a.b.onmicrosoft.com/": false, "https://autodiscover.onmicrosoft.com/": false,
		"https://xautodiscover.a.onmicrosoft.com/": false,
		"https://a.x-files.example.com/":           false, "https://files.example.com/": false, "https://x-files.example.com.net/": false,
		"https://example.com/outlook.office365.com": false, "https://192.0.2.1/": false, "https://[2001:db8::1]/": false,
		"https://localhost/": false,
	}
	urls := make([]string, 0, len(wants))
	for u := range wants {
		urls = append(urls, u)
	}
	for i, said := range ways(t, pac, urls) {
		want := "DIRECT"
		if wants[urls[i]] {
			want = "PROXY gateway.example.com:3128"
		}
		if said != want {
			t.Errorf("%s: got %s, want %s", urls[i], said, want)
		}
	}
}

// The file agrees with the policy itself, for the real list and for hosts near
// every pattern.
func TestPACAgreesWithThePolicy(t *testing.T) {
	t.Parallel()
	allowed, err := m365.New("", nil)
	if err != nil {
		t.Fatal(err)
	}
	var patterns, urls, hosts []string
	for _, e := range allowed.Endpoints() {
		if !e.HasPort(443) {
			continue
		}
		patterns = append(patterns, e.Pattern())
		for _, star := range []string{"a", "a.b", "", "a-"} {
			host := strings.Trim(strings.ReplaceAll(strings.Replace(e.Pattern(), "*", star, 1), "..", "."), ".-")
			hosts = append(hosts, host, "x"+host, "x."+host, host+".example.net", host[1:])
		}
	}
	for _, h := range hosts {
		urls = append(urls, "https://"+h+"/")
	}
	o := options(t, nil)
	o.Endpoints = func() Endpoints { return Endpoints{Patterns: patterns} }
	passed := 0
	for i, said := range ways(t, page(t, newSite(t, o), "/proxy.pac"), urls) {
		_, err := allowed.Check(hosts[i], 443)
		if wrong, ok := errors.AsType[*policy.Error](err); ok && wrong.Reason == record.ReasonDestinationInvalid {
			continue // no name that a browser would ask for
		}
		if (said == "DIRECT") != (err != nil) {
			t.Errorf("%s: the file says %s, the policy %v", hosts[i], said, err)
		}
		if err == nil {
			passed++
		}
	}
	if passed == 0 || passed == len(hosts) {
		t.Errorf("%d of %d hosts are allowed: the test looks at the wrong thing", passed, len(hosts))
	}
}

func TestWhereThePACLeads(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		listeners []string
		host      string
		status    int
		want      string
	}{
		{[]string{"proxy://:3128"}, "gateway:9465", 200, "PROXY gateway:3128"},
		{[]string{"proxy://0.0.0.0:3128"}, "192.0.2.7:9465", 200, "PROXY 192.0.2.7:3128"},
		{[]string{"proxy://[::]:3128"}, "[2001:db8::7]:9465", 200, "PROXY [2001:db8::7]:3128"},
		{[]string{"proxy://192.0.2.9:8080"}, "gateway", 200, "PROXY 192.0.2.9:8080"},
		{[]string{"proxy://127.0.0.1:3128", "proxy://192.0.2.9:3129"}, "192.0.2.7", 200, "PROXY 192.0.2.9:3129"},
		{[]string{"proxy://127.0.0.1:3128"}, "localhost:9465", 200, "PROXY 127.0.0.1:3128"},
		{[]string{"proxy://127.0.0.1:3128"}, "192.0.2.7", 404, "listen on another address"},
		{[]string{"smtp://:587"}, "gateway", 404, "no proxy:// listener"},
		{nil, "gateway", 404, "no proxy:// listener"},
		{[]string{"proxy://:3128"}, `a";alert(1)//`, 400, "no host name"},
		{[]string{"proxy://:3128"}, "a; DIRECT", 400, "no host name"},
	} {
		o := options(t, nil)
		o.Listeners = listeners(t, test.listeners...)
		r := httptest.NewRequest(http.MethodGet, "/proxy.pac", nil)
		r.Host = test.host
		w := httptest.NewRecorder()
		newSite(t, o).ServeHTTP(w, r)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%v: got %d %s", test, w.Code, w.Body)
		}
		if kind := w.Header().Get("Content-Type"); w.Code == 200 && kind != "application/x-ns-proxy-autoconfig" {
			t.Errorf("%v: content type %s", test, kind)
		}
	}
}

// FuzzPACHost holds that no host of a request gets out of its string.
func FuzzPACHost(f *testing.F) {
	for _, s := range append(hostileTexts(), "a:1", "[::1]:2", "[fe80::1%25eth0]:3") {
		f.Add(s)
	}
	o := options(f, nil)
	h := newSite(f, o)
	f.Fuzz(func(t *testing.T, host string) {
		r := httptest.NewRequest(http.MethodGet, "/proxy.pac", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return
		}
		var proxy, port string
		_, rest, _ := strings.Cut(w.Body.String(), `"PROXY `)
		proxy, _, _ = strings.Cut(rest, `"`)
		port = proxy[strings.LastIndexByte(proxy, ':')+1:]
		if port != "3128" || strings.ContainsAny(proxy, " ;\\\n'<>") {
			t.Errorf("%s became %s", fmt.Sprintf("%q", host), proxy)
		}
	})
}
