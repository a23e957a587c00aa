package proxy_test

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A client for which no leaf can be made, since the CA has expired, gets an alert:
// nothing of our own handshake has been sent by then.
func TestClientWithoutLeaf(t *testing.T) {
	t.Parallel()
	allowed, err := m365.New(m365.Worldwide, nil)
	if err != nil {
		t.Fatal(err)
	}
	var late atomic.Bool
	ca, err := localca.Open(localca.Options{
		Dir: filepath.Join(t.TempDir(), "ca"), Permitted: allowed.Domains(),
		Now: func() time.Time {
			if late.Load() {
				return time.Now().AddDate(50, 0, 0)
			}
			return time.Now()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, https(t, fake, fakem365.TLSOptions{}).Addr(), func(c *proxy.Config) { c.CA = ca })
	late.Store(true)
	err = tls.Client(dial(t, w.tls), w.oldConfig()).HandshakeContext(t.Context())
	if err == nil || !strings.Contains(err.Error(), "remote error: tls: internal error") {
		t.Errorf("the client got %v, want the alert internal_error", err)
	}
	w.expect(record.OutcomeFailed, record.ReasonInternal)
}
