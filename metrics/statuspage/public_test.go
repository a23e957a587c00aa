package statuspage

import (
	"net/http"
	"strings"
	"testing"
)

// What devices fetch is on the public address, and nothing that concerns the clients.
func TestPublicAddressHasNothingElse(t *testing.T) {
	t.Parallel()
	o := options(t, office())
	o.Authority.Excess = []string{"it can sign for programs"}
	h, err := NewPublic(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/ca.pem", "/ca.der", "/ca.p7b", "/ca-sha1.pem", "/ca-sha1.der", "/ca-sha1.p7b", "/ca-backdated.pem", "/ca-backdated.der",
		"/ca-backdated.p7b", "/assets/style.css",
	} {
		if page(t, h, path) != page(t, newSite(t, o), path) {
			t.Errorf("%s is another one than on the admin address", path)
		}
	}
	for _, path := range []string{"http://wpad.example.com/proxy.pac", "http://wpad.example.com/wpad.dat"} {
		wantInOrder(t, page(t, h, path), "PROXY wpad.example.com:3128", "outlook.office365.com")
	}
	wantInOrder(t, page(t, h, "http://gateway:8080/ca"), "/ca.pem", o.Authority.Fingerprint, "/ca-sha1.pem", "http://gateway:8080/ca.pem")
	for _, inside := range []string{`href="/"`, "/metrics", "/reasons", "live.js", o.Version, "Whoever gets its key"} {
		if strings.Contains(page(t, h, "/ca"), inside) {
			t.Errorf("the public page has %q", inside)
		}
	}
	for _, path := range []string{
		"/", "/index.html", "/clients/copier-accounting", "/reasons", "/assets/live.js", "/assets/", "/api/v1/clients", "/api/v1/clients.csv",
		"/api/v1/clients/copier-accounting", "/api/v1/connections", "/api/", "/metrics", "/healthz", "/readyz", "/ca/", "/ca.key",
		"/report", "/report.csv", "/ca.pem/../api/v1/clients", "//api/v1/clients", "/CA.pem",
	} {
		resp, body := get(t, h, path)
		if resp.StatusCode == http.StatusOK || strings.Contains(body, "copier-accounting") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

// A name that WPAD makes up leads to the same file on the admin address.
func TestWPADIsThePACFile(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, nil))
	if page(t, h, "http://gateway:9465/wpad.dat") != page(t, h, "http://gateway:9465/proxy.pac") {
		t.Error("wpad.dat is another file")
	}
}
