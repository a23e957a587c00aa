package clienthello

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

func TestSSLv2Format(t *testing.T) {
	t.Parallel()
	mixed := []byte{7, 0, 0xc0, 0, 0, 0x0a, 1, 0, 0x80, 0, 0, 0xff, 0, 0x1a, 0x1a, 0, 0, 0x2f}
	mixedSuites := []uint16{0x000a, renegotiationSCSV, 0x002f}
	for name, tt := range map[string]struct {
		stream  []byte
		version string
		suites  []uint16
		ssl2    bool
	}{
		"TLS 1.0, challenge of 32":  {sslv2(sslv2Body(0x0301, mixed, 0, 32)), "TLS 1.0", mixedSuites, true},
		"TLS 1.0, challenge of 16":  {sslv2(sslv2Body(0x0301, mixed, 0, 16)), "TLS 1.0", mixedSuites, true},
		"TLS 1.1, no SSL 2.0 specs": {sslv2(sslv2Body(0x0302, []byte{0, 0, 0x0a}, 0, 32)), "TLS 1.1", []uint16{0x000a}, false},
		"TLS 1.2":                   {sslv2(sslv2Body(0x0303, mixed, 0, 32)), "TLS 1.2", mixedSuites, true},
		"version of the future":     {sslv2(sslv2Body(0x03ff, mixed, 0, 32)), "TLS 1.2", mixedSuites, true},
		"SSL 3.0":                   {sslv2(sslv2Body(0x0300, mixed, 0, 16)), "SSL 3.0", mixedSuites, true},
		"SSL 2.0":                   {sslv2(sslv2Body(0x0002, []byte{1, 0, 0x80}, 0, 16)), "SSL 2.0", nil, true},
		"SSL 2.0 resuming":          {sslv2(sslv2Body(0x0002, []byte{1, 0, 0x80}, 16, 16)), "SSL 2.0", nil, true},
		"TLS 1.0, resuming SSL 2.0": {sslv2(sslv2Body(0x0301, mixed, 16, 32)), "TLS 1.0", mixedSuites, true},
		"more than 255 bytes": {sslv2(sslv2Body(0x0303, bytes.Repeat(mixed, 24), 0, 32)), "TLS 1.2", slices.Repeat(mixedSuites, 24),
			true},
		"header of three bytes":          {longSSLv2(sslv2Body(0x0301, mixed, 0, 32)), "TLS 1.0", mixedSuites, true},
		"header of three bytes, SSL 2.0": {longSSLv2(sslv2Body(0x0002, []byte{1, 0, 0x80}, 0, 16)), "SSL 2.0", nil, true},
	} {
		h, err := Peek(reader(slices.Concat(tt.stream, []byte("more"))))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if h.Format != SSLv2 || h.Length != len(tt.stream) || h.RecordVersion != 0 || VersionName(h.MaxVersion()) != tt.version ||
			!slices.Equal(h.CipherSuites, tt.suites) || h.HasSSL2Ciphers != tt.ssl2 {
			t.Errorf("%s: got %+v, want %+v", name, h, tt)
		}
		if h.CompressionMethods != nil || h.Extensions != nil || h.ServerName != "" {
			t.Errorf("%s: got %+v, want nothing that the format has not", name, h)
		}
	}
}

// A first bit that is set promises nothing by itself.
func TestNotSSLv2Format(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"too short":         {0x80, 8, 1, 3, 1, 0, 3, 0, 0, 0},
		"another type":      sslv2(append([]byte{4}, sslv2Body(0x0301, []byte{0, 0, 10}, 0, 32)[1:]...)),
		"another version":   sslv2(sslv2Body(0x0501, []byte{0, 0, 10}, 0, 32)),
		"version backwards": sslv2(sslv2Body(0x0200, []byte{0, 0, 10}, 0, 32)),
		"text in UTF-8":     []byte("été en août, et puis l'automne"),
	} {
		var notTLS *NotTLSError
		if _, err := Peek(reader(b)); !errors.As(err, &notTLS) || notTLS.Looks != LooksUnknown {
			t.Errorf("%s: %v, want not TLS", name, err)
		}
	}
}

// The header of three bytes is believed only where all is right, and only when
// enough has arrived to see that.
func TestHeaderOfThreeBytes(t *testing.T) {
	t.Parallel()
	right := longSSLv2(sslv2Body(0x0301, []byte{0, 0, 10}, 0, 32))
	changed := func(at int, to byte) []byte {
		b := bytes.Clone(right)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"padding":       changed(2, 1),
		"escape":        changed(0, 0x40),
		"escape, sized": longSSLv2(sslv2Body(0x0301, make([]byte, 0x4000-9-31), 0, 31)),
		"another type":  changed(3, 2),
		"version":       changed(4, 5),
		"wrong length":  changed(1, right[1]+1),
		"wrong lengths": changed(11, 31),
		"first bytes":   right[:11],
		"one byte":      right[:1],
	} {
		var notTLS *NotTLSError
		if _, err := Peek(reader(b)); !errors.As(err, &notTLS) || notTLS.Looks != LooksUnknown {
			t.Errorf("%s: %v, want not TLS", name, err)
		}
	}
	for n := 12; n < len(right); n++ {
		if _, err := Peek(reader(right[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("up to %d: %v, want unexpected EOF", n, err)
		}
	}
}
