// Package admin is the HTTP server of the admin address: /metrics, the health
// checks and the pages, with TLS and passwords if a web configuration file asks
// for them; and that of the public address.
//
// It answers GET and HEAD only, but for what changes something: that is for this
// machine and for those who have signed in. It answers to its own names only, and no
// client can take all of its connections. It makes nothing of what it serves.
package admin

import (
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tlslift/tlslift/metrics/loadlimit"
	"github.com/tlslift/tlslift/metrics/webconfig"
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
	// Hosts are host names under which the address answers, besides localhost, IP addresses,
	// the machine's own name, and names without a dot; nil means none.
	Hosts []string
	// Changes is the path below which DELETE is answered by Pages; empty means that
	// there is none.
	Changes string
	// WebConfig is the web configuration file in force; nil means none.
	WebConfig *webconfig.File
}

// NewHandler returns the handler of the admin address: /metrics, /healthz,
// /readyz and the pages.
func NewHandler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", loadlimit.NewLimiter(loadlimit.Limit{Working: 2, Open: 8, OpenPerGroup: 4}).Handler(o.Metrics))
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
	return withHeaders(newHosts(o.Hosts, o.WebConfig.Covers).check(limitMethods(o, mux)))
}

// NewPublicHandler returns the handler of an address for what everybody may have.
func NewPublicHandler(pages http.Handler) http.Handler {
	return withHeaders(limitMethods(Options{}, pages))
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

// Serve serves the admin address until the server is closed, with the TLS and the
// passwords of a web configuration file; nil means neither. The error is never nil.
func Serve(ln net.Listener, server *http.Server, file *webconfig.File) error {
	return file.Serve(limit(ln, server, Places{Max: 192, MaxPerGroup: 64, Reserved: 32}), server)
}

// ServePublic serves the public address until the server is closed. The error is never
// nil.
func ServePublic(ln net.Listener, server *http.Server) error {
	return server.Serve(limit(ln, server, Places{Max: 96, MaxPerGroup: 16}))
}

// limit returns the listener from which a server gets no more connections than it has
// places.
func limit(ln net.Listener, server *http.Server, p Places) net.Listener {
	a := newAudience(p)
	server.ConnState, server.ConnContext, server.Handler = a.note, connContext, keepReserve(server.Handler)
	return limitedListener{ln, a}
}

// withHeaders sets the headers that every answer has.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// limitMethods lets only GET and HEAD through, and DELETE where and from whom it is
// allowed.
func limitMethods(o Options, next http.Handler) http.Handler {
	guard := changeGuard{options: o, origins: http.NewCrossOriginProtection()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
