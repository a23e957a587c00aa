package check

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// A target is a destination in use.
type target struct {
	to policy.Destination
	// startTLS is the protocol that begins in plaintext; empty with implicit TLS.
	startTLS record.Protocol
	// isWeb means that it speaks HTTP, and so sends its time.
	isWeb bool
	// isLifted means that clients are lifted to it.
	isLifted bool
	// isMicrosofts means that its certificate is from a public authority.
	isMicrosofts bool
}

const (
	webPort   = 443
	plainPort = 80 // has no TLS
)

// maxTargets bounds how many destinations are reached.
const maxTargets = 32

// targets are destinations, each of them once.
type targets struct {
	list []target
	own  *m365.Policy // what Microsoft's own list allows
}

func newTargets(cfg *settings.Config) *targets { return &targets{own: microsofts(cfg)} }

// add adds a destination. One that no client is lifted to is asked by tlslift itself.
func (a *targets) add(to policy.Destination, isLifted bool) {
	same := func(t target) bool { return t.to == to }
	if to.Host == "" || to.Port == 0 || len(a.list) >= maxTargets || slices.ContainsFunc(a.list, same) {
		return
	}
	_, err := a.own.Check(to.Host, to.Port)
	a.list = append(a.list, target{
		to: to, startTLS: listener.STARTTLSPort(to.Port), isWeb: to.Port == webPort, isLifted: isLifted,
		isMicrosofts: err == nil || to.Host == endpointsHost,
	})
}

// targetsOf returns the destinations that the settings use: those of the listeners, those of
// single clients, those that the operator has added by name, and what tlslift itself asks.
func targetsOf(cfg *settings.Config, allowed *m365.Policy) []target {
	all := newTargets(cfg)
	for _, l := range cfg.Listen {
		for _, to := range usedBy(l, allowed) {
			all.add(to, true)
		}
	}
	if clients, err := cfg.ClientTable(); err == nil { // an error of its own
		routes := clients.Routes()
		for _, name := range slices.Sorted(maps.Keys(routes)) {
			for _, to := range routes[name].All() {
				all.add(to, true)
			}
		}
	}
	for _, e := range cfg.Destinations {
		if e.IsExact() {
			all.add(policy.Destination{Host: e.Pattern(), Port: tlsPort(e)}, true)
		}
	}
	if cfg.SignInFile != "" {
		all.add(policy.Destination{Host: mailboxes.Authority(cfg), Port: webPort}, false)
	}
	if cfg.Refresh {
		all.add(policy.Destination{Host: endpointsHost, Port: webPort}, false)
	}
	return all.list
}

// endpointsHost is Microsoft's web service of endpoints.
const endpointsHost = "endpoints.office.com"

// microsofts returns what Microsoft's own list allows.
func microsofts(cfg *settings.Config) *m365.Policy {
	own, err := m365.New(cfg.Instance, nil)
	if err != nil { // the built-in list is good
		return &m365.Policy{Policy: &policy.Policy{}}
	}
	return own
}

// usedBy returns where the clients of a listener go. Of one whose clients choose, it is what
// most of them want.
func usedBy(l listener.URL, allowed *m365.Policy) []policy.Destination {
	mail := allowed.Mail()
	web := policy.Destination{Host: mail.IMAP.Host, Port: webPort}
	switch protocol := l.Scheme.Mail(); {
	case l.To.Host != "":
		return []policy.Destination{l.To}
	case protocol != "":
		return []policy.Destination{mail.Of(protocol)}
	case l.Scheme == listener.SchemeTLS:
		web.Port = cmp.Or(l.Port, webPort)
		if _, err := allowed.Check(web.Host, web.Port); err != nil {
			return nil
		}
		return []policy.Destination{web}
	case l.Scheme.Transparent():
		return []policy.Destination{web, mail.SMTP}
	}
	return []policy.Destination{web}
}

// tlsPort returns the lowest port of an endpoint that is not that of plain HTTP; zero if
// there is none.
func tlsPort(e policy.Endpoint) uint16 {
	for port := uint16(1); port != 0; port++ {
		if port != plainPort && e.HasPort(port) {
			return port
		}
	}
	return 0
}
