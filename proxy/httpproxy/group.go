package httpproxy

import "sync"

// A Group is the HTTP proxies of several listeners. The zero value has none.
type Group struct {
	all     []*Server
	serving sync.WaitGroup
}

// New adds a server.
func (g *Group) New(cfg Config) *Server {
	s := New(cfg)
	g.all = append(g.all, s)
	return s
}

// Serve starts all; Stop ends them.
func (g *Group) Serve() {
	for _, s := range g.all {
		g.serving.Go(s.Serve)
	}
}

// Drain lets requests end and closes kept-alive connections that wait for one.
func (g *Group) Drain() {
	for _, s := range g.all {
		s.Drain()
	}
}

// Stop ends all, and waits for them.
func (g *Group) Stop() {
	for _, s := range g.all {
		s.Stop()
	}
	g.serving.Wait()
}
