package upstream

import (
	"crypto/tls"
	"sync"
)

// Bounds on the configurations that are kept: what clients offer by ALPN is up to them.
const (
	maxConfigs = 256
	maxALPN    = 64 // bytes, counted like those of a ClientHello
)

// configs are TLS configurations that connections share: one is half of a KiB, and an idle
// connection would hold its own. The zero value has none.
type configs struct {
	mu   sync.Mutex
	kept map[configKey]*tls.Config
}

// A configKey is all that configurations of one Dialer differ by.
type configKey struct {
	to   endpoint
	alpn string // each name with its length before it: a name that a client offers has any bytes
}

// of returns the configuration for a destination and what is offered to it; build makes it.
func (c *configs) of(to endpoint, alpn []string, build func() *tls.Config) *tls.Config {
	var room [maxALPN]byte
	offered := room[:0]
	for _, name := range alpn {
		if len(offered)+1+len(name) > maxALPN {
			return build()
		}
		offered = append(append(offered, byte(len(name))), name...) //nolint:gosec // less than maxALPN
	}
	key := configKey{to, string(offered)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if config := c.kept[key]; config != nil {
		return config
	}
	if c.kept == nil || len(c.kept) >= maxConfigs {
		c.kept = map[configKey]*tls.Config{}
	}
	config := build()
	c.kept[key] = config
	return config
}
