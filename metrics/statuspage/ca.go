package statuspage

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/statuspage/guides"
	"github.com/tlslift/tlslift/metrics/statuspage/pac"
	"github.com/tlslift/tlslift/metrics/statuspage/pkcs7"
	"github.com/tlslift/tlslift/metrics/wording"
)

// An Authority is the CA that lifted clients must trust.
type Authority struct {
	// Certificate is the CA's own; nil if there is none, and nothing to download.
	Certificate *x509.Certificate
	// Fingerprint is its SHA-256 fingerprint, as openssl shows it.
	Fingerprint string
	// SHA1 is the same CA signed with SHA-1, and Backdated the same valid from 1970
	// on, for clients that need that; nil if there is none.
	SHA1, Backdated *x509.Certificate
	// ID is what the field CA of a client has if it was shown this one.
	ID string
	// New is the new CA of a rotation; nil if there is none.
	New *Authority
	// Excess is what it could sign for besides the servers that clients are lifted to.
	Excess []string
	// Problem returns what is wrong with the files of the CA, empty if nothing is; nil
	// means that nobody looks.
	Problem func() string
}

// An authorityView is the CA certificate on a page.
type authorityView struct {
	Subject, Fingerprint string
	Expires              wording.Moment
	// Soon means in less than 90 days: to replace it, every client has to be
	// visited.
	Soon bool
	// SHA1 and Backdated are the fingerprints of the other forms; empty for one
	// that does not exist.
	SHA1, Backdated string
	Excess          []string
	Problem         string
}

func (a Authority) view(now time.Time) authorityView {
	c := a.Certificate
	if c == nil {
		return authorityView{}
	}
	problem := ""
	if a.Problem != nil {
		problem = a.Problem()
	}
	return authorityView{
		Problem: problem,
		Subject: wording.Shown(c.Subject.String()), Fingerprint: a.Fingerprint,
		Expires: wording.At(c.NotAfter, now), Soon: c.NotAfter.Sub(now) < 90*day,
		SHA1: fingerprint(a.SHA1), Backdated: fingerprint(a.Backdated), Excess: a.Excess,
	}
}

// fingerprint returns the SHA-256 fingerprint as openssl shows it; empty for nil.
func fingerprint(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	sum := sha256.Sum256(c.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// A caPage is /ca.
type caPage struct {
	head
	Authority authorityView
	// New is the new CA of a rotation; its subject is empty if there is none.
	New authorityView
	// OldUsers are clients that were last shown the old one, and MoreUsers is how many are
	// left out.
	OldUsers  []linked
	MoreUsers int
	// PublicURL is where devices fetch it; empty if that is this very page.
	PublicURL string
	Devices   []guides.Guide
	Systems   []guides.Guide
}

func (s *site) serveCA(w http.ResponseWriter, r *http.Request) {
	if s.Authority.Certificate == nil {
		s.renderMessage(w, http.StatusNotFound, "No certificate", "This tlslift has no certificate authority.")
		return
	}
	scheme, address := "http", "ADDRESS"
	if host, ok := pac.RequestHost(r); ok {
		address = host.WithPort(r)
	}
	if r.TLS != nil {
		scheme = "https"
	}
	here, public := scheme+"://"+address, ""
	if s.PublicURL != nil && !s.public {
		public = s.PublicURL()
	}
	page := caPage{
		head: s.head("CA certificate", "/ca"), Authority: s.Authority.view(time.Now()), PublicURL: public,
		Devices: guides.Devices(), Systems: guides.Systems(cmp.Or(public, here) + "/ca.pem"),
	}
	if s.Authority.New != nil {
		page.New = s.Authority.New.view(time.Now())
		if !s.public {
			page.OldUsers, page.MoreUsers = usersOf(s.Authority.ID, s.Inventory.Snapshot())
		}
	}
	s.render(w, http.StatusOK, "ca.html", page)
}

// maxOldUsers bounds the list of clients on the page.
const maxOldUsers = 500

// usersOf returns the clients that were last shown a CA, sorted, and how many are left out.
func usersOf(id string, all []inventory.Client) (users []linked, more int) {
	for i := range all {
		if all[i].Shown(id) {
			users = append(users, linked{all[i].Client, clientLink(all[i].Client)})
		}
	}
	slices.SortFunc(users, func(a, b linked) int { return strings.Compare(a.Name, b.Name) })
	listed := min(len(users), maxOldUsers)
	return users[:listed], len(users) - listed
}

// A linked is a client with the path of its page.
type linked struct{ Name, Link string }

// routePublic serves what devices fetch: the page and each form of the CA certificate in
// the three formats that they accept, and the proxy configuration file under its two
// names. All of it is public: a client gets the certificate in every handshake.
func (s *site) routePublic(mux *http.ServeMux) error {
	if s.public {
		mux.HandleFunc("/ca", s.serveCA)
	} else {
		s.limited(mux, "/ca", s.serveCA)
	}
	mux.HandleFunc("/assets/style.css", asset("style.css", "text/css; charset=utf-8"))
	mux.Handle("/proxy.pac", &s.pac)
	mux.Handle("/wpad.dat", &s.pac)
	if s.RevocationList != nil {
		mux.HandleFunc("/ca.crl", func(w http.ResponseWriter, _ *http.Request) { serveList(w, s.RevocationList, "") })
		mux.HandleFunc("/crl/{name}", func(w http.ResponseWriter, r *http.Request) {
			id, _ := strings.CutSuffix(r.PathValue("name"), ".crl")
			serveList(w, s.RevocationList, cmp.Or(id, "none"))
		})
	}
	forms := map[string]*x509.Certificate{
		"ca": s.Authority.Certificate, "ca-sha1": s.Authority.SHA1, "ca-backdated": s.Authority.Backdated,
	}
	if next := s.Authority.New; next != nil {
		forms["ca-new"], forms["ca-new-sha1"], forms["ca-new-backdated"] = next.Certificate, next.SHA1, next.Backdated
	}
	for name, c := range forms {
		if c == nil {
			continue
		}
		bundle, err := pkcs7.CertificatesOnly(c.Raw)
		if err != nil {
			return fmt.Errorf("writing the CA certificate as PKCS #7: %w", err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		mux.Handle("/"+name+".pem", file{"application/x-pem-file", "tlslift-" + name + ".pem", text})
		mux.Handle("/"+name+".der", file{"application/pkix-cert", "tlslift-" + name + ".cer", c.Raw})
		mux.Handle("/"+name+".p7b", file{"application/x-pkcs7-certificates", "tlslift-" + name + ".p7b", bundle})
	}
	return nil
}

// serveList serves the revocation list of a CA, for clients that insist on one.
func serveList(w http.ResponseWriter, lists func(id string) ([]byte, error), id string) {
	der, err := lists(id)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	file{"application/pkix-crl", "tlslift-ca.crl", der}.ServeHTTP(w, nil)
}

// A file is a download.
type file struct {
	contentType, name string
	content           []byte
}

func (f file) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(f.content)))
	_, _ = w.Write(f.content) // an error means that the peer has closed the connection
}
