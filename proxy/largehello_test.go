package proxy_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// manyProtocols is a list for ALPN that fills that many bytes.
func manyProtocols(size int) string {
	names := []string{"http/1.1"}
	for n := 0; n < size; n += 251 {
		names = append(names, fmt.Sprintf("p%04d-%s", n/251%10000, strings.Repeat("x", 244)))
	}
	return strings.Join(names, ",")
}

// A ClientHello of more than a record is passed and lifted as any other.
func TestLargeClientHello(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	for _, size := range []int{15000, 17000, 40000, 60000} {
		for _, tt := range []struct {
			name    string
			args    []string
			outcome record.Outcome
			version uint16 // of the client's TLS
		}{
			{"TLS 1.2", []string{"-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"}, record.OutcomeLifted, tls.VersionTLS12},
			{"TLS 1.0", []string{"-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0"}, record.OutcomeLifted, tls.VersionTLS10},
			{"TLS 1.3", nil, record.OutcomePassed, 0},
		} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, size), func(t *testing.T) {
				t.Parallel()
				w, _ := tls12World(t, false)
				args := append([]string{"s_client", "-connect", w.tls, "-servername", host, "-ign_eof", "-alpn", manyProtocols(size)}, tt.args...)
				if out := run(t, page, "openssl", args...); !strings.Contains(out, "hello from "+host) {
					t.Errorf("the client says:\n%s", out)
				}
				r := w.expect(tt.outcome, "")
				if tt.version != 0 && (r.ClientTLS == nil || r.ClientTLS.Version != tls.VersionName(tt.version)) {
					t.Errorf("TLS %+v", r.ClientTLS)
				}
			})
		}
	}
}
