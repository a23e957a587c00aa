package legacytls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// recorded are first flights of real clients, by the name of their file.
func recorded(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../clienthello/testdata/*.bin")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		if all[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

const (
	ecdheAES256 = tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
	rsaAES256   = tls.TLS_RSA_WITH_AES_256_CBC_SHA
	ecdheGCM256 = tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
)

// Every recorded first flight gets the flight that is expected, to
// ServerHelloDone; those that speak SSL 3.0 at most get an alert in that
// version.
func TestRecordedHellos(t *testing.T) {
	t.Parallel()
	type want struct{ version, suite uint16 }
	table := map[string]want{
		"gnutls-3.7-tls10.bin":        {tls.VersionTLS10, ecdheAES256},
		"java17-sslv2hello-tls10.bin": {tls.VersionTLS10, ecdheAES256},
		"java17-tls10.bin":            {tls.VersionTLS10, ecdheAES256},
		"openssl-0.9.8-default.bin":   {tls.VersionTLS10, rsaAES256},
		"openssl-0.9.8-tls1.bin":      {tls.VersionTLS10, rsaAES256},
		"openssl-0.9.8e-default.bin":  {tls.VersionTLS10, rsaAES256},
		"openssl-0.9.8e-tls1.bin":     {tls.VersionTLS10, rsaAES256},
		"openssl-1.0.0-default.bin":   {tls.VersionTLS10, ecdheAES256},
		"openssl-1.0.0-tls1.bin":      {tls.VersionTLS10, ecdheAES256},
		"openssl-1.0.1-default.bin":   {tls.VersionTLS12, ecdheGCM256},
		"openssl-1.0.1-tls1.bin":      {tls.VersionTLS10, ecdheAES256},
		"openssl-1.0.2-default.bin":   {tls.VersionTLS12, ecdheGCM256},
		"openssl-1.0.2-tls1.bin":      {tls.VersionTLS10, ecdheAES256},
		"openssl-3.0-tls1.bin":        {tls.VersionTLS10, ecdheAES256},
		"openssl-3.0-tls1_1.bin":      {tls.VersionTLS11, ecdheAES256},
	}
	all := recorded(t)
	if len(all) != len(table)+5 {
		t.Errorf("%d recordings, %d rows", len(all), len(table))
	}
	config := newConfig(t)
	for name, b := range all {
		w, speaks := table[name]
		if !speaks { // SSL 3.0
			out, err := play(config, b)
			var fault *ProtocolError
			if !errors.As(err, &fault) || !bytes.Equal(out, []byte{typeAlert, 3, 0, 0, 2, levelFatal, 70}) {
				t.Errorf("%s: %x, %v", name, out, err)
			}
			continue
		}
		c := flight(t, config, hello{captured: b})
		if got := (want{c.answer.version, c.answer.suite}); c.err != nil || got != w {
			t.Errorf("%s: version %04x, %s, %v", name, got.version, SuiteName(got.suite), c.err)
		}
	}
}

// A recorded flight gets the same, in whatever pieces it comes.
func TestRecordedHellosInPieces(t *testing.T) {
	t.Parallel()
	config := newConfig(t)
	for name, b := range recorded(t) {
		if b[0] != typeHandshake || b[2] == 0 {
			continue
		}
		for _, grain := range []int{1, 3, 100} {
			pieces := records(typeHandshake, uint16(b[1])<<8|uint16(b[2]), b[recordHeaderLen:], grain)
			out, err := play(config, pieces)
			whole := flight(t, config, hello{captured: b})
			c := heard(t, hello{captured: b}, out)
			if c.err != nil || c.answer.suite != whole.answer.suite || c.answer.version != whole.answer.version {
				t.Errorf("%s in pieces of %d bytes: %v, %v", name, grain, c.err, err)
			}
		}
	}
}
