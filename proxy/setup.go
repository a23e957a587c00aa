package proxy

import (
	"sync"

	"github.com/tlslift/tlslift/proxy/admission"
	"github.com/tlslift/tlslift/proxy/clienttls"
	"github.com/tlslift/tlslift/proxy/httpproxy"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/sockets"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// A setup is a configuration in force, with the steps that follow from it. It does not
// change, but for the policy: a connection has the same one to its end.
type setup struct {
	*common
	cfg      Config
	sockets  []*socket      // in the order of common.open
	carrying sync.WaitGroup // connections
	https    httpproxy.Group

	dialer  *upstream.Dialer
	finder  finder
	passer  passer
	lifter  lifter
	refuser refuser
}

// A socket is an open listener.
type socket struct {
	url  listener.URL      // with the address in force
	name string            // the URL without options
	http *httpproxy.Server // the HTTP proxy; nil unless the scheme is proxy
}

// newSetup builds a setup; it has no sockets yet.
func newSetup(cfg Config, in *common) (*setup, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &setup{common: in}
	cfg.Upstream.IsSelf = in.isSelf
	s.cfg = cfg
	s.finder.policy.Store(cfg.Policy)
	var err error
	if s.dialer, err = upstream.New(cfg.Upstream); err != nil {
		return nil, err
	}
	s.finder.addresses, s.finder.isSelf = m365.NewAddresses(s.dialer.Addresses), in.isSelf
	s.passer = passer{refused: in.refused, timeout: cfg.HandshakeTimeout}
	s.lifter = lifter{refused: in.refused, tls: clienttls.New(clienttls.Config{
		CA: cfg.CA, Rotation: cfg.Rotation, Tickets: cfg.TicketKeys, DHBits: cfg.DHBits, KeyType: cfg.LeafKeyType,
		Timeout: cfg.HandshakeTimeout,
	})}
	s.refuser.lifter, s.refuser.timeout, s.refuser.maxLeaving = &s.lifter, cfg.HandshakeTimeout, admission.MaxLeaving(cfg.MaxConnections)
	return s, nil
}

// listenOn makes the listeners of this setup, with HTTP proxies of its own.
func (s *setup) listenOn(open sockets.Set) {
	for _, u := range open.URLs() {
		l := &socket{url: u, name: u.String()}
		if u.Scheme == listener.SchemeProxy {
			l.http = s.https.New(httpproxy.Config{
				Check: s.finder.check, HasPlainHTTP: func(host string) bool { return s.finder.policy.Load().HasPlainHTTP(host) },
				HandshakeTimeout: s.cfg.HandshakeTimeout, IdleTimeout: s.cfg.IdleTimeout,
			})
		}
		s.sockets = append(s.sockets, l)
	}
}

// close frees the setup when its last connection has ended.
func (s *setup) close() {
	s.https.Stop()
	s.finder.addresses.Close()
}
