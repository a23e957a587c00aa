package admin

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
)

// A changeGuard decides who may change something.
type changeGuard struct {
	options Options
	origins *http.CrossOriginProtection
}

// check returns why a request may not change anything; nil if it may. A page of another
// web site may not, and nor may other machines, unless they have signed in: the server has
// checked that.
func (g *changeGuard) check(r *http.Request) error {
	if err := g.origins.Check(r); err != nil {
		return errors.New("a page of another web site cannot change anything here")
	}
	signedIn := r.TLS != nil && len(r.TLS.VerifiedChains) > 0 || g.options.WebConfig.HasPasswords()
	if !signedIn && !fromThisMachine(r) {
		return errors.New("other machines can change something only with a password, which TLSLIFT_ADMIN_WEB_CONFIG_FILE can ask for; " +
			"without one, do it on the machine of tlslift")
	}
	return nil
}

// fromThisMachine reports whether a request comes from this machine: to loopback, or from
// the same address to which it goes.
func fromThisMachine(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return false
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	remote := net.ParseIP(host)
	return remote != nil && (local.IP.IsLoopback() && remote.IsLoopback() || local.IP.Equal(remote))
}

// writeError answers as the API does.
func writeError(w http.ResponseWriter, status int, err error) {
	text, _ := json.Marshal(map[string]string{"error": err.Error()}) // of strings: no error
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // an error means that the peer has closed the connection
}
