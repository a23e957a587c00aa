package metrics

import (
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes is how many scrapes may run at once: each holds the whole
// exposition in memory. It leaves room for a pair of Prometheus servers and a
// person.
const maxScrapes = 4

// AdminOptions are the parts of the admin address.
type AdminOptions struct {
	// Gatherer has what /metrics serves; required.
	Gatherer prometheus.Gatherer
	// Ready is asked for /readyz, for each request, from many goroutines at
	// once; required. While it returns an error, the answer is 503 with its text.
	Ready func() error
	// Pages answers all other paths; nil answers 404.
	Pages http.Handler
	// Name is a host name that an address on loopback may be asked by, besides
	// localhost and those without a dot; empty means none.
	Name string
}

// NewAdmin returns the handler of an admin address without pages.
func NewAdmin(g prometheus.Gatherer, ready func() error) http.Handler {
	return NewAdminWith(AdminOptions{Gatherer: g, Ready: ready})
}

// NewAdminWith returns the handler of the admin address: /metrics, /healthz,
// /readyz and the pages. It lets through only GET and HEAD.
func NewAdminWith(o AdminOptions) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	}))
	mux.HandleFunc("/healthz", serveHealth)
	mux.Handle("/readyz", readiness(o.Ready))
	if o.Pages != nil {
		mux.Handle("/", o.Pages)
	}
	return readOnly(ownName(o.Name, mux))
}

// ownName protects what only this machine may reach from DNS rebinding, by
// which a web site has a browser here ask us under the site's own name. Who
// listens on other addresses may have any name, and has let others ask anyway.
func ownName(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
		asked := foreignName(r.Host)
		if local != nil && local.IP.IsLoopback() && strings.Contains(asked, ".") && !strings.EqualFold(asked, name) {
			http.Error(w, "this address is asked as localhost or by its number only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// foreignName returns the host of a Host header; nothing if it is an address or
// a name that leads to this machine whoever resolves it (RFC 6761 section 6.3).
func foreignName(hostport string) string {
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

// NewServer returns a server for the admin address, whose limits keep a slow
// or hostile peer from holding on to it. It logs nothing: what it could say is
// about peers that went away.
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

// readOnly lets only GET and HEAD through and sets the headers that every
// answer has.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func serveHealth(w http.ResponseWriter, _ *http.Request) { writeOK(w) }

func readiness(ready func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		writeOK(w)
	})
}

func writeOK(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// An error here means that the peer has gone.
	_, _ = io.WriteString(w, "ok\n")
}
