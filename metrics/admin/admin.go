// Package admin is the HTTP server of the admin address: /metrics, the health
// checks and the pages, with TLS and passwords if a web configuration file asks
// for them.
//
// It answers GET and HEAD only, but for what changes something: that is for this
// machine and for those who have signed in. It makes nothing of what it serves.
package admin

import (
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
)

// Options are the parts of the admin address.
type Options struct {
	// Metrics answers /metrics; required.
	Metrics http.Handler
	// Ready is called for each request of /readyz, from many goroutines at
	// once; required. While it returns an error, the answer is 503 with its text.
	Ready func() error
	// Pages answers all other paths; nil answers 404.
	Pages http.Handler
	// Name is a host name that an address on loopback may be asked by, besides
	// localhost and those without a dot; empty means none.
	Name string
	// Changes is the path below which DELETE is answered by Pages; empty means that
	// there is none.
	Changes string
	// WebConfigFile is the web configuration file in force; empty means none.
	WebConfigFile string
}

// NewHandler returns the handler of the admin address: /metrics, /healthz,
// /readyz and the pages.
func NewHandler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", o.Metrics)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { writeOK(w) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		writeOK(w)
	})
	if o.Pages != nil {
		mux.Handle("/", o.Pages)
	}
	return limitMethods(o, checkHost(o.Name, mux))
}

func writeOK(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// An error here means that the peer has closed the connection.
	_, _ = io.WriteString(w, "ok\n")
}

// NewServer returns a server for the admin address, whose limits keep a slow or
// hostile peer from occupying it. It logs nothing: its errors are only about
// peers that closed the connection.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		// Above the usual scrape interval of a minute.
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       log.New(io.Discard, "", 0),
	}
}

// limitMethods lets only GET and HEAD through, and DELETE where and from whom it is
// allowed. It sets the headers that every answer has.
func limitMethods(o Options, next http.Handler) http.Handler {
	guard := changeGuard{options: o, origins: http.NewCrossOriginProtection()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		changes := o.Changes != "" && strings.HasPrefix(r.URL.Path, o.Changes)
		switch {
		case r.Method == http.MethodGet, r.Method == http.MethodHead:
		case r.Method == http.MethodDelete && changes:
			if err := guard.check(r); err != nil {
				writeError(w, http.StatusForbidden, err)
				return
			}
		default:
			allow := "GET, HEAD"
			if changes {
				allow += ", DELETE"
			}
			w.Header().Set("Allow", allow)
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checkHost protects an address on loopback from DNS rebinding, by which a web
// site makes a browser of this machine send requests to it under the web site's
// own name. An address that other machines can reach may have any name.
func checkHost(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
		host := foreignHost(r.Host)
		if local != nil && local.IP.IsLoopback() && strings.Contains(host, ".") && !strings.EqualFold(host, name) {
			http.Error(w, "use localhost or the IP address in the URL: this address does not answer to other host names",
				http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// foreignHost returns the host of a Host header; nothing if it is an address or
// a name that leads to this machine whoever resolves it (RFC 6761 section 6.3).
func foreignHost(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if net.ParseIP(strings.Trim(host, "[]")) != nil || strings.HasSuffix(host, ".localhost") {
		return ""
	}
	return host
}
