package service

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/localca"
)

// pages are pages in force.
type pages struct{ now atomic.Pointer[http.Handler] }

// ServeHTTP implements http.Handler.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*p.now.Load()).ServeHTTP(w, r) }

// A site is the pages and the API, and those for devices.
type site struct{ all, public pages }

// show puts others into force.
func (s *site) show(shown shownSite) {
	s.all.now.Store(&shown.all)
	s.public.now.Store(&shown.public)
}

// A shownSite is what a site shows.
type shownSite struct{ all, public http.Handler }

// authorityOf returns what the pages show of a CA, and of the new one of a rotation.
func authorityOf(ca *localca.CA) (statuspage.Authority, error) {
	a := statuspage.Authority{
		Certificate: ca.Certificate(), ID: ca.ID(), Fingerprint: ca.Fingerprint(), Excess: ca.Excess(), Problem: ca.FileProblem,
	}
	var err error
	if a.SHA1, err = ca.Form(localca.Form{SHA1: true}); err != nil {
		return a, err
	}
	if a.Backdated, err = ca.Form(localca.Form{Backdated: true}); err != nil {
		return a, err
	}
	if ca.New() != nil {
		next, err := authorityOf(ca.New())
		next.Problem = nil // that of the old one says it
		a.New = &next
		return a, err
	}
	return a, nil
}

// pagesOf returns the pages of a service with a CA.
func (s *Service) pagesOf(ca *localca.CA) (shownSite, error) {
	authority, err := authorityOf(ca)
	if err != nil {
		return shownSite{}, err
	}
	o := statuspage.Options{
		Inventory: s.inventory,
		Forget:    func(key string) bool { return forget(s, key) },
		Listeners: s.proxy.Listeners,
		Authority: authority,
		Endpoints: s.allowed.Shown, RevocationList: s.lists.Get,
		PublicURL: func() string { return s.public.urlForDevices() },
		SignIn:    s.mailboxes.state,
		Probes:    s.metrics.Probes.Last,
		Describe:  func(name string) clientfile.Description { return s.clients.Load().Describe(name) },
		Host:      hostName(),
		Version:   s.options.Version,
	}
	var shown shownSite
	if shown.all, err = statuspage.New(o); err != nil {
		return shownSite{}, err
	}
	shown.public, err = statuspage.NewPublic(o)
	return shown, err
}

// hostName returns the name of this machine; nothing if it has none.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// A caWatch looks at the files of the CA in force.
type caWatch struct {
	mu      sync.Mutex
	stop    context.CancelFunc // nil before the first
	running sync.WaitGroup
}

// of looks at those of another CA, until end.
func (w *caWatch) of(ca *localca.CA, log *slog.Logger) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		w.stop()
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	if next := ca.New(); next != nil {
		log.Info("a rotation of the CA is under way: clients get the old one or the new one", "old", ca.Fingerprint(), "new", next.Fingerprint())
	}
	w.running.Go(func() { ca.Watch(ctx, log) })
}

// end stops looking.
func (w *caWatch) end() {
	w.mu.Lock()
	if w.stop != nil {
		w.stop()
	}
	w.mu.Unlock()
	w.running.Wait()
}
