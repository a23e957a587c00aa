package upstream

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
)

// Connections share a configuration if they have the same destination and offer the same, and
// only so many are kept.
func TestConfigsAreShared(t *testing.T) {
	t.Parallel()
	var c configs
	of := func(host string, port uint16, alpn ...string) *tls.Config {
		to := endpoint{host, port}
		return c.of(to, alpn, func() *tls.Config { return &tls.Config{ServerName: fmt.Sprint(to), NextProtos: alpn} })
	}
	first := of("a.example", 443)
	if of("a.example", 443) != first {
		t.Error("two connections to one destination have two configurations")
	}
	seen := map[*tls.Config]string{first: "the first"}
	for name, other := range map[string]*tls.Config{
		"another port": of("a.example", 993), "another host": of("b.example", 443), "ALPN": of("a.example", 443, "h2"),
		"two protocols": of("a.example", 443, "h2", "http/1.1"), "one protocol": of("a.example", 443, "h2http/1.1"),
		"one with a zero": of("a.example", 443, "h2\x00http/1.1"), "one with a length": of("a.example", 443, "h2\x08http/1.1"),
		"two that are divided otherwise": of("a.example", 443, "h2h", "ttp/1.1"),
	} {
		if before, is := seen[other]; is {
			t.Errorf("%s: the configuration is that of %s", name, before)
		}
		seen[other] = name
	}
	long := strings.Repeat("x", maxALPN+1)
	if before := of("a.example", 443, long); before == of("a.example", 443, long) {
		t.Error("what a client offers is kept, however long it is")
	}
	for i := range 3 * maxConfigs {
		of(fmt.Sprintf("%d.example", i), 443)
		if len(c.kept) > maxConfigs {
			t.Fatalf("%d configurations are kept", len(c.kept))
		}
	}
}
