// Package statuspage shows an administrator which clients need tlslift, why a client
// fails, and what to do: as pages, as JSON and as CSV. It also serves the CA
// certificate and a proxy configuration file. Each page has a file of its own.
//
// It changes nothing but that a client is forgotten, sets no cookie, and its pages load nothing from other servers.
// Whatever a client has chosen is shown as text, never as markup.
package statuspage

import (
	"cmp"
	"context"
	"html/template"
	"net/http"
	"time"

	"github.com/tlslift/tlslift/metrics/burndown"
	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/loadlimit"
	"github.com/tlslift/tlslift/metrics/probes"
	"github.com/tlslift/tlslift/metrics/statuspage/pac"
	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/listener"
)

const day = 24 * time.Hour

// An Inventory has the clients and their last connections. Its methods are called from many goroutines
// at once; what they return belongs to the caller.
type Inventory interface {
	// Snapshot returns all clients, in any order.
	Snapshot() []inventory.Client
	// Client returns the one with that value of the field Client.
	Client(key string) (inventory.Client, bool)
	// Recent returns the connections that are still known, with a number above
	// after, of one client or, if client is empty, of all; at most limit.
	Recent(client string, after uint64, limit int) []inventory.Connection
	// Wait returns nil when Recent has a connection, or the error of ctx when
	// that is done.
	Wait(ctx context.Context, client string, after uint64) error
	// Days returns what was counted on each of the last days.
	Days() []burndown.Day
}

// Options are what the page shows. All functions are called for each request,
// from many goroutines at once.
type Options struct {
	// Inventory has the clients; nil shows none.
	Inventory Inventory
	// Listeners returns the open listeners; nil means none.
	Listeners func() []listener.URL
	// Forget removes a client, and reports whether there was one; nil means that
	// clients cannot be forgotten.
	Forget    func(key string) bool
	Authority Authority
	// PublicURL returns the URL of the public address, where devices fetch the CA; nil, or
	// an empty one, means that there is none.
	PublicURL func() string
	// RevocationList returns the revocation list of the CA with an ID, or for an empty one that
	// of the CA in use, in DER form; nil means that there is none.
	RevocationList func(id string) ([]byte, error)
	// Endpoints returns the list in use; nil shows none.
	Endpoints func() Endpoints
	// Probes returns the last probes of the destinations; nil shows none.
	Probes func() []probes.Probe
	// SignIn returns how the sign-in is; nil shows none.
	SignIn func() tenant.State
	// Describe returns what the clients file says of a client with a name; nil means that it
	// says nothing.
	Describe func(name string) clientfile.Description
	// Host is the name of this machine, for titles; empty for none.
	Host string
	// Version is tlslift's; empty means "unknown".
	Version string
}

// A site answers all requests.
type site struct {
	Options
	templates map[string]*template.Template
	started   time.Time
	waiting   *loadlimit.Share   // of requests that wait for a connection
	heavy     *loadlimit.Limiter // of requests that look at all clients
	pac       pac.Handler
	// public means that there is only what routePublic serves.
	public bool
}

// New returns the handler of the pages and the API. It answers GET and HEAD, and DELETE
// below ClientsPath; the caller keeps out other methods, and who must not delete.
func New(o Options) (http.Handler, error) {
	s, err := build(o)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	s.routePages(mux)
	s.routeAPI(mux)
	reports{s}.route(mux)
	if err := s.routePublic(mux); err != nil {
		return nil, err
	}
	return secured(mux), nil
}

// NewPublic returns the handler of an address for devices and for people whom the clients
// do not concern: the CA certificate, how to import it, and the proxy configuration file.
// It answers GET and HEAD; the caller keeps out other methods.
func NewPublic(o Options) (http.Handler, error) {
	s, err := build(o)
	if err != nil {
		return nil, err
	}
	s.public, s.Version, s.Host, s.Authority.Excess, s.Authority.Problem = true, "", "", nil, nil // nothing that helps an attacker
	if next := s.Authority.New; next != nil {
		shown := *next
		shown.Excess, s.Authority.New = nil, &shown
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "This address has the CA certificate, /ca, and /proxy.pac; all else is on the admin address.", http.StatusNotFound)
	})
	if err := s.routePublic(mux); err != nil {
		return nil, err
	}
	return secured(mux), nil
}

// limited registers a handler for requests that look at all clients.
func (s *site) limited(mux *http.ServeMux, pattern string, h http.HandlerFunc) {
	mux.Handle(pattern, s.heavy.Handler(h))
}

// build returns the site without its paths.
func build(o Options) (*site, error) {
	o.Version = cmp.Or(o.Version, "unknown")
	if o.Inventory == nil {
		o.Inventory = noClients{}
	}
	if o.Listeners == nil {
		o.Listeners = func() []listener.URL { return nil }
	}
	if o.Endpoints == nil {
		o.Endpoints = func() Endpoints { return Endpoints{} }
	}
	if o.Probes == nil {
		o.Probes = func() []probes.Probe { return nil }
	}
	if o.SignIn == nil {
		o.SignIn = func() tenant.State { return tenant.State{} }
	}
	if o.Describe == nil {
		o.Describe = func(string) clientfile.Description { return clientfile.Description{} }
	}
	s := &site{
		Options: o, started: time.Now(), waiting: loadlimit.NewShare(maxWaiting, maxWaitingPerGroup),
		heavy: loadlimit.NewLimiter(loadlimit.Limit{Working: 2, Open: 24, OpenPerGroup: 8}),
		pac:   pac.Handler{Listeners: o.Listeners, Patterns: func() []string { return o.Endpoints().Patterns }},
	}
	var err error
	s.templates, err = parseTemplates(linker{s})
	return s, err
}

// contentPolicy lets a page load files of this site only. There is no inline style or
// script.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// noClients is the inventory without clients.
type noClients struct{}

func (noClients) Days() []burndown.Day                              { return nil }
func (noClients) Snapshot() []inventory.Client                      { return nil }
func (noClients) Client(string) (inventory.Client, bool)            { return inventory.Client{}, false }
func (noClients) Recent(string, uint64, int) []inventory.Connection { return nil }

func (noClients) Wait(ctx context.Context, _ string, _ uint64) error {
	<-ctx.Done()
	return ctx.Err()
}
