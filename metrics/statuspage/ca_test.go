package statuspage

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestCAInEveryForm(t *testing.T) {
	t.Parallel()
	o := options(t, nil)
	h := newSite(t, o)
	for path, want := range map[string][2]string{
		"/ca.pem": {"application/x-pem-file", `attachment; filename="tlslift-ca.pem"`},
		"/ca.der": {"application/pkix-cert", `attachment; filename="tlslift-ca.cer"`},
		"/ca.p7b": {"application/x-pkcs7-certificates", `attachment; filename="tlslift-ca.p7b"`},

		"/ca-sha1.pem":      {"application/x-pem-file", `attachment; filename="tlslift-ca-sha1.pem"`},
		"/ca-sha1.der":      {"application/pkix-cert", `attachment; filename="tlslift-ca-sha1.cer"`},
		"/ca-backdated.pem": {"application/x-pem-file", `attachment; filename="tlslift-ca-backdated.pem"`},
		"/ca-backdated.der": {"application/pkix-cert", `attachment; filename="tlslift-ca-backdated.cer"`},
	} {
		resp, _ := get(t, h, path)
		got := [2]string{resp.Header.Get("Content-Type"), resp.Header.Get("Content-Disposition")}
		if resp.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: got %d %v, want %v", path, resp.StatusCode, got, want)
		}
	}
	block, rest := pem.Decode([]byte(page(t, h, "/ca.pem")))
	if block == nil || len(rest) != 0 || !bytes.Equal(block.Bytes, o.Authority.Certificate.Raw) {
		t.Error("ca.pem is not the certificate and nothing else")
	}
	if c, err := x509.ParseCertificate([]byte(page(t, h, "/ca.der"))); err != nil || !c.Equal(o.Authority.Certificate) {
		t.Errorf("ca.der is not the certificate: %v", err)
	}
	if page(t, h, "/ca-sha1.der") != string(o.Authority.SHA1.Raw) || page(t, h, "/ca-backdated.der") != string(o.Authority.Backdated.Raw) {
		t.Error("the other forms are mixed up")
	}
}

func TestOpenSSLReadsThePKCS7(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	o := options(t, nil)
	path := filepath.Join(t.TempDir(), "ca.p7b")
	if err := os.WriteFile(path, []byte(page(t, newSite(t, o), "/ca.p7b")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "openssl", "pkcs7", "-inform", "DER", "-in", path, "-print_certs").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, text, _ := strings.Cut(string(out), "-----BEGIN")
	block, rest := pem.Decode([]byte("-----BEGIN" + text))
	if block == nil || !bytes.Equal(block.Bytes, o.Authority.Certificate.Raw) || strings.Contains(string(rest), "BEGIN") {
		t.Errorf("got %s", out)
	}
}

func TestCAPage(t *testing.T) {
	t.Parallel()
	o := options(t, nil)
	body := page(t, newSite(t, o), "http://192.0.2.1:9465/ca")
	wantInOrder(t, body, "/ca.pem", "/ca.der", "/ca.p7b", o.Authority.Fingerprint, "/ca-sha1.pem", "/ca-sha1.der",
		fingerprint(o.Authority.SHA1), "/ca-backdated.pem", "/ca-backdated.der", fingerprint(o.Authority.Backdated), "Ricoh", "Any other device",
		"certutil -addstore -f Root tlslift-ca.cer", "keytool -importcert", "http://192.0.2.1:9465/ca.pem", "update-ca-trust extract")
	if strings.Contains(body, "Whoever gets its key") {
		t.Error("the page warns of a CA that is limited")
	}
	o.Authority.Excess = []string{"it can sign for <b>", "it can sign for IP addresses"}
	wantInOrder(t, page(t, newSite(t, o), "/ca"), "Whoever gets its key",
		"it can sign for &lt;b&gt;; it can sign for IP addresses. <code>tlslift ca rotate")
}

// In a rotation, the page has both CAs, and on the admin address who still uses the old one.
func TestCAPageInARotation(t *testing.T) {
	t.Parallel()
	old := inventory.Client{Client: "fax/2 <b>", Address: netip.MustParseAddr("192.0.2.7"), CA: "0123456789ABCDEF", Version: "TLS 1.0"}
	unnoted, moved, passed := old, old, old
	unnoted.Client, unnoted.CA = "unnoted", ""
	moved.Client, moved.CA = "moved", "FEDCBA9876543210"
	passed.Client, passed.CA, passed.Version = "passed", "", ""
	o := options(t, testenv.NewInventory(old, unnoted, moved, passed))
	next := testCA(t)
	next.ID, next.Fingerprint, next.Excess = "FEDCBA9876543210", "01:02:03", []string{"it can sign for IP addresses"}
	o.Authority.ID, o.Authority.New = "0123456789ABCDEF", &next
	h := newSite(t, o)
	body := page(t, h, "/ca")
	wantInOrder(t, body, o.Authority.Fingerprint, "The new CA", "/ca-new.pem", "01:02:03", "Whoever gets its key", "/ca-new-sha1.pem",
		fingerprint(next.SHA1), "last shown the old CA", `href="/clients/fax%2F2%20%3Cb%3E">fax/2 &lt;b&gt;<`, ">unnoted<")
	if strings.Contains(body, "moved") || strings.Contains(body, "passed<") {
		t.Errorf("others use the old CA: %s", body)
	}
	public, err := NewPublic(o)
	if err != nil {
		t.Fatal(err)
	}
	if body := page(t, public, "/ca"); !strings.Contains(body, "The new CA") || strings.Contains(body, "unnoted") ||
		strings.Contains(body, "Whoever gets its key") {
		t.Errorf("the public page is %s", body)
	}
	for name, c := range map[string]*x509.Certificate{
		"ca-new": next.Certificate, "ca-new-sha1": next.SHA1, "ca-new-backdated": next.Backdated,
	} {
		for _, site := range []http.Handler{h, public} {
			if page(t, site, "/"+name+".der") != string(c.Raw) {
				t.Errorf("%s is another one", name)
			}
		}
	}
	o.Inventory = testenv.NewInventory(moved)
	wantInOrder(t, page(t, newSite(t, o), "/ca"), "No client was last shown the old CA", "--finish")
}

// The revocation list is on both addresses, that of the CA and those by ID.
func TestRevocationListOnThePages(t *testing.T) {
	t.Parallel()
	o := options(t, nil)
	o.RevocationList = func(id string) ([]byte, error) {
		if id != "" && id != "0123456789ABCDEF" {
			return nil, errors.New("no such list")
		}
		return []byte("the list"), nil
	}
	public, err := NewPublic(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []http.Handler{newSite(t, o), public} {
		for _, path := range []string{"/ca.crl", "/crl/0123456789ABCDEF.crl"} {
			resp, body := get(t, h, path)
			if resp.StatusCode != http.StatusOK || body != "the list" || resp.Header.Get("Content-Type") != "application/pkix-crl" {
				t.Errorf("%s: %d, %q, %q", path, resp.StatusCode, body, resp.Header)
			}
		}
		for _, path := range []string{"/crl/other.crl", "/crl/.crl", "/crl/", "/crl/a/b.crl"} {
			if resp, body := get(t, h, path); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d, %q", path, resp.StatusCode, body)
			}
		}
	}
}

// Devices are sent to the public address, if there is one.
func TestCAPageNamesThePublicAddress(t *testing.T) {
	t.Parallel()
	o := options(t, nil)
	o.PublicURL = func() string { return "http://gateway:8080" }
	wantInOrder(t, page(t, newSite(t, o), "http://127.0.0.1:9465/ca"), `fetch it from <a href="http://gateway:8080/ca">`,
		"http://gateway:8080/ca.pem")
	public, err := NewPublic(o)
	if err != nil {
		t.Fatal(err)
	}
	wantInOrder(t, page(t, public, "http://192.0.2.7:8080/ca"), "http://192.0.2.7:8080/ca.pem")
	o.PublicURL = func() string { return "" }
	if body := page(t, newSite(t, o), "http://127.0.0.1:9465/ca"); strings.Contains(body, "fetch it from") {
		t.Error("the page names an address that there is not")
	}
}

// Files of the CA that are gone are on both pages that show it, and not on the public one.
func TestCAFilesOnThePages(t *testing.T) {
	t.Parallel()
	o := options(t, nil)
	o.Authority.Problem = func() string { return "ca.key is <gone>" }
	h := newSite(t, o)
	wantInOrder(t, page(t, h, "/ca"), "would not start again: ca.key is &lt;gone&gt;")
	wantInOrder(t, page(t, h, "/"), "its files have a problem: ca.key is &lt;gone&gt;")
	public, err := NewPublic(o)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page(t, public, "/ca"), "gone") {
		t.Error("it is on the public page")
	}
}

// An operator's intermediate CA has no other forms.
func TestCAWithoutOtherForms(t *testing.T) {
	t.Parallel()
	o := options(t, nil)
	o.Authority.SHA1, o.Authority.Backdated = nil, nil
	h := newSite(t, o)
	if strings.Contains(page(t, h, "/ca"), "very old clients") {
		t.Error("the page offers forms that do not exist")
	}
	if resp, _ := get(t, h, "/ca-sha1.pem"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// A page that is asked for under an odd name must not put it into a command.
func TestCommandsHaveNoOddHost(t *testing.T) {
	t.Parallel()
	h := newSite(t, options(t, nil))
	for _, host := range []string{"$(id)", "a;id", "a`id`", "a b", "<b>", "a\nb", "a:$(id)", "[::1]:x;id", ""} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/ca", nil)
		r.Host = host
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, r)
		body := w.body.String()
		if strings.Contains(body, "$(id)") || strings.Contains(body, ";id") || strings.Contains(body, "`id`") || strings.Contains(body, "<b>") {
			t.Errorf("host %q is on the page", host)
		}
	}
}

type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func TestWithoutACA(t *testing.T) {
	t.Parallel()
	h := newSite(t, Options{})
	for _, path := range []string{"/ca", "/ca.pem", "/ca.der", "/ca.p7b", "/ca-sha1.pem", "/ca-backdated.pem"} {
		if resp, _ := get(t, h, path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
}
