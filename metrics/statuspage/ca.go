package statuspage

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"time"
)

// An Authority is the CA that lifted clients must trust.
type Authority struct {
	// Certificate is the CA's own; nil if there is none, and nothing to download.
	Certificate *x509.Certificate
	// Fingerprint is its SHA-256 fingerprint, as openssl shows it.
	Fingerprint string
}

// An authorityView is the CA certificate on a page.
type authorityView struct {
	Subject, Fingerprint string
	Expires              moment
	// Soon means in less than 90 days: to replace it, every client has to be
	// visited.
	Soon bool
}

func (a Authority) view(now time.Time) authorityView {
	c := a.Certificate
	if c == nil {
		return authorityView{}
	}
	return authorityView{
		Subject: shown(c.Subject.String()), Fingerprint: a.Fingerprint,
		Expires: momentOf(c.NotAfter, now), Soon: c.NotAfter.Sub(now) < 90*day,
	}
}

// A caPage is /ca.
type caPage struct {
	head
	Authority authorityView
	Devices   []guide
	Systems   []guide
}

func (s *site) serveCA(w http.ResponseWriter, r *http.Request) {
	if s.Authority.Certificate == nil {
		s.renderMessage(w, http.StatusNotFound, "No certificate", "This tlslift has no certificate authority.")
		return
	}
	scheme, address := "http", "ADDRESS"
	if host, ok := requestHost(r); ok {
		address = host.withPort(r)
	}
	if r.TLS != nil {
		scheme = "https"
	}
	s.render(w, http.StatusOK, "ca.html", caPage{
		head: s.head("CA certificate", "/ca"), Authority: s.Authority.view(time.Now()),
		Devices: deviceGuides(), Systems: systemGuides(scheme + "://" + address + "/ca.pem"),
	})
}

// routeCA serves the page, and the CA certificate in the three formats that devices
// accept. The certificate is public: a client gets it in every handshake.
func (s *site) routeCA(mux *http.ServeMux) error {
	mux.HandleFunc("/ca", s.serveCA)
	if s.Authority.Certificate == nil {
		return nil
	}
	der := s.Authority.Certificate.Raw
	bundle, err := certificatesOnly(der)
	if err != nil {
		return fmt.Errorf("writing the CA certificate as PKCS #7: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	mux.Handle("/ca.pem", file{"application/x-pem-file", "tlslift-ca.pem", text})
	mux.Handle("/ca.der", file{"application/pkix-cert", "tlslift-ca.cer", der})
	mux.Handle("/ca.p7b", file{"application/x-pkcs7-certificates", "tlslift-ca.p7b", bundle})
	return nil
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
