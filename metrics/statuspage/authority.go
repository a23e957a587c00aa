package statuspage

import (
	"encoding/pem"
	"fmt"
	"net/http"
)

// routeAuthority serves the CA certificate in the three forms that devices ask
// for. It is public: a client sees it in every handshake.
func (s *site) routeAuthority(mux *http.ServeMux) error {
	mux.HandleFunc("/ca", s.serveAuthority)
	if s.Authority.Certificate == nil {
		return nil
	}
	der := s.Authority.Certificate.Raw
	bundle, err := certificatesOnly(der)
	if err != nil {
		return fmt.Errorf("writing the CA certificate as PKCS #7: %w", err)
	}
	mux.Handle("/ca.pem", file{"application/x-pem-file", "tlslift-ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})})
	mux.Handle("/ca.der", file{"application/pkix-cert", "tlslift-ca.cer", der})
	mux.Handle("/ca.p7b", file{"application/x-pkcs7-certificates", "tlslift-ca.p7b", bundle})
	return nil
}

// A file is for downloading.
type file struct {
	contentType, name string
	content           []byte
}

func (f file) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(f.content)))
	_, _ = w.Write(f.content) // an error means that the peer has gone
}
