package service

import (
	"fmt"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/openfiles"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// configOf is what a service makes of its settings.
func configOf(cfg *settings.Config) (proxy.Config, error) {
	out, err := egress.Config(cfg, nil)
	s := &Service{room: openfiles.Fit(int(cfg.MaxConns), false)}
	return s.proxyConfig(&reading{cfg: cfg, upstream: out}, nil), err
}

// TestProxyConfig: what is set reaches the proxy.
func TestProxyConfig(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	got, err := configOf(mustLoad(t, map[string]string{
		"TLSLIFT_CLIENT_NETS":                "10.0.0.0/8",
		"TLSLIFT_TRUSTED_PROXIES":            "10.0.0.5",
		"TLSLIFT_CIPHERS":                    "aes,rc4",
		"TLSLIFT_DH_BITS":                    "2048",
		"TLSLIFT_LEAF_KEY_TYPE":              "ECDSA",
		"TLSLIFT_CA_ROTATION":                "new",
		"TLSLIFT_MAX_CONNECTIONS":            "7",
		"TLSLIFT_MAX_CONNECTIONS_PER_CLIENT": "3",
		"TLSLIFT_CLIENT_IPV6_PREFIX":         "56",
		"TLSLIFT_HANDSHAKE_TIMEOUT":          "1s",
		"TLSLIFT_IDLE_TIMEOUT":               "2s",
		"TLSLIFT_IMAP_IDLE_TIMEOUT":          "4s",
		"TLSLIFT_DRAIN_TIMEOUT":              "3s",
		"TLSLIFT_CONNECT_TO":                 "a.example:1=b.example:2",
		"TLSLIFT_UPSTREAM_PROXY":             "http://proxy:3128",
		"TLSLIFT_UPSTREAM_CA_FILE":           writeFile(t, string(fake.RootPEM())),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got.ClientNets, got.TrustedProxies) != "[10.0.0.0/8] [10.0.0.5/32]" || !got.Legacy.RC4 || got.Legacy.DES ||
		got.DHBits != 2048 || got.LeafKeyType != clientfile.KeyTypeECDSA || got.Rotation != clientfile.CANew ||
		got.MaxConnections != 7 || got.MaxConnectionsPerClient != 3 || got.ClientIPv6Prefix != 56 || len(got.Listeners) != 2 {
		t.Errorf("got %+v", got)
	}
	if got.HandshakeTimeout != time.Second || got.IdleTimeout != 2*time.Second || got.IMAPIdleTimeout != 4*time.Second ||
		got.DrainTimeout != 3*time.Second {
		t.Errorf("got timeouts %v, %v, %v", got.HandshakeTimeout, got.IdleTimeout, got.DrainTimeout)
	}
	if got.Upstream.ConnectTo["a.example:1"] != "b.example:2" || got.Upstream.Proxy.Host != "proxy:3128" ||
		!got.Upstream.Roots.Equal(fake.Roots()) || got.Upstream.Certificate != nil {
		t.Errorf("got %+v", got.Upstream)
	}
	if got, err := configOf(mustLoad(t, nil)); err != nil || got.Legacy.RC4 || len(got.TrustedProxies) != 0 ||
		got.Upstream.Roots != nil || got.Upstream.Proxy != nil {
		t.Errorf("without settings: got %+v, %v", got, err)
	}
}
