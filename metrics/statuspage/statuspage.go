// Package statuspage shows an administrator which clients need tlslift, why
// one fails, and what to do: as pages, as JSON and CSV. It hands out the CA
// certificate and a proxy configuration file as well.
//
// It changes nothing, sets no cookie and loads nothing from elsewhere. Whatever
// a client has chosen is shown as text, never as markup.
package statuspage

import (
	"cmp"
	"context"
	"crypto/x509"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
)

// An Inventory knows the clients. Its methods are called from many goroutines
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
}

// An Authority is the CA that lifted clients have to trust.
type Authority struct {
	// Certificate is the CA's own; nil if there is none, and nothing to fetch.
	Certificate *x509.Certificate
	// Fingerprint is its SHA-256 fingerprint, as openssl shows it.
	Fingerprint string
}

// Endpoints tells which list of Microsoft 365's hosts is in force.
type Endpoints struct {
	// Instance is whose list it is, as in "worldwide".
	Instance string
	// List says which list it is, as in "built in, published 2026-08-14".
	List string
	// Checked is when it was last known to be the newest one; zero if that is
	// not known.
	Checked time.Time
	// Refreshed says whether Microsoft is asked for a newer one.
	Refreshed bool
	// Patterns are the host patterns that clients may reach on port 443, as in
	// "*.sharepoint.com".
	Patterns []string
}

// Options are what the page shows. All functions are called for each request,
// from many goroutines at once.
type Options struct {
	// Inventory is nil when nothing is known of clients.
	Inventory Inventory
	// Listeners returns the URLs of the listeners; nil means none.
	Listeners func() []*url.URL
	Authority Authority
	// Endpoints returns the list in force; nil means that nothing is known.
	Endpoints func() Endpoints
	// Version is tlslift's; empty means "unknown".
	Version string
}

//go:embed assets
var assets embed.FS

// A site answers all requests.
type site struct {
	Options
	templates map[string]*template.Template
	started   time.Time
	// waiting has a place for each request that may wait for connections.
	waiting chan struct{}
}

// New returns the handler of the pages and the API. It answers GET and HEAD;
// the caller keeps out other methods.
func New(o Options) (http.Handler, error) {
	o.Version = cmp.Or(o.Version, "unknown")
	if o.Inventory == nil {
		o.Inventory = nobody{}
	}
	if o.Listeners == nil {
		o.Listeners = func() []*url.URL { return nil }
	}
	if o.Endpoints == nil {
		o.Endpoints = func() Endpoints { return Endpoints{} }
	}
	s := &site{Options: o, started: time.Now(), waiting: make(chan struct{}, maxWaiting)}
	if err := s.parseTemplates(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	s.routePages(mux)
	s.routeAPI(mux)
	if err := s.routeAuthority(mux); err != nil {
		return nil, err
	}
	return secured(mux), nil
}

// contentPolicy lets a page load what it came with, and nothing else. There is no
// inline style or script.
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

// nobody is the inventory without clients.
type nobody struct{}

func (nobody) Snapshot() []inventory.Client                      { return nil }
func (nobody) Client(string) (inventory.Client, bool)            { return inventory.Client{}, false }
func (nobody) Recent(string, uint64, int) []inventory.Connection { return nil }

func (nobody) Wait(ctx context.Context, _ string, _ uint64) error {
	<-ctx.Done()
	return ctx.Err()
}

// pages are the templates that stand inside layout.html.
var pages = [...]string{"status.html", "client.html", "reasons.html", "ca.html", "message.html"}

func (s *site) parseTemplates() error {
	s.templates = make(map[string]*template.Template, len(pages))
	for _, name := range pages {
		t, err := template.ParseFS(assets, "assets/layout.html", "assets/"+name)
		if err != nil {
			return fmt.Errorf("reading the template %s: %w", name, err)
		}
		s.templates[name] = t
	}
	return nil
}
