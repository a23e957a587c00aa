package clienthello

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
)

var (
	allPoints = []byte{0, 1, 2}
	ticket    = []uint16{35}
	old100    = []uint16{11, 10, 35}
	old101    = []uint16{11, 10, 35, 15}
	openssl3  = []uint16{11, 10, 35, 22, 23}
)

// Every recorded first flight, and what is in it.
func TestSamples(t *testing.T) {
	t.Parallel()
	type want struct {
		format         Format
		length         int
		record         uint16
		version        uint16
		max            string
		suites         int
		firstSuite     uint16
		ssl2           bool
		scsv           bool
		groups, schems int
		points         []byte
		extensions     []uint16
	}
	table := map[string]want{
		"gnutls-3.7-tls10.bin": {Record, 130, 0x0301, 0x0301, "TLS 1.0", 8, 0xc00a, false, false, 10, 0, []byte{0},
			[]uint16{5, 10, 11, 22, 23, 35, 65281, 28}},
		"java17-sslv2hello-tls10.bin": {SSLv2, 232, 0, 0x0301, "TLS 1.0", 53, 0xc00a, true, true, 0, 0, nil, nil},
		"java17-tls10.bin": {Record, 225, 0x0301, 0x0301, "TLS 1.0", 53, 0xc00a, false, true, 10, 0, []byte{0},
			[]uint16{5, 10, 11, 17, 23, 35, 43}},
		"openssl-0.9.8-default.bin":  {SSLv2, 127, 0, 0x0301, "TLS 1.0", 21, 0x0039, true, true, 0, 0, nil, nil},
		"openssl-0.9.8-ssl3.bin":     {Record, 90, 0x0300, 0x0300, "SSL 3.0", 21, 0x0039, false, true, 0, 0, nil, nil},
		"openssl-0.9.8-tls1.bin":     {Record, 96, 0x0301, 0x0301, "TLS 1.0", 21, 0x0039, false, true, 0, 0, nil, ticket},
		"openssl-0.9.8e-default.bin": {SSLv2, 124, 0, 0x0301, "TLS 1.0", 20, 0x0039, true, false, 0, 0, nil, nil},
		"openssl-0.9.8e-ssl3.bin":    {Record, 88, 0x0300, 0x0300, "SSL 3.0", 20, 0x0039, false, false, 0, 0, nil, nil},
		"openssl-0.9.8e-tls1.bin":    {Record, 88, 0x0301, 0x0301, "TLS 1.0", 20, 0x0039, false, false, 0, 0, nil, nil},
		"openssl-1.0.0-default.bin":  {Record, 210, 0x0301, 0x0301, "TLS 1.0", 46, 0xc014, false, true, 25, 0, allPoints, old100},
		"openssl-1.0.0-ssl3.bin":     {Record, 140, 0x0300, 0x0300, "SSL 3.0", 46, 0xc014, false, true, 0, 0, nil, nil},
		"openssl-1.0.0-tls1.bin":     {Record, 210, 0x0301, 0x0301, "TLS 1.0", 46, 0xc014, false, true, 25, 0, allPoints, old100},
		"openssl-1.0.1-default.bin": {Record, 517, 0x0301, 0x0303, "TLS 1.2", 80, 0xc030, false, true, 25, 15, allPoints,
			[]uint16{11, 10, 35, 13, 15, 21}},
		"openssl-1.0.1-ssl3.bin": {Record, 152, 0x0300, 0x0300, "SSL 3.0", 52, 0xc014, false, true, 0, 0, nil, nil},
		"openssl-1.0.1-tls1.bin": {Record, 227, 0x0301, 0x0301, "TLS 1.0", 52, 0xc014, false, true, 25, 0, allPoints, old101},
		"openssl-1.0.2-default.bin": {Record, 369, 0x0301, 0x0303, "TLS 1.2", 117, 0xcc14, false, true, 13, 15, allPoints,
			[]uint16{11, 10, 35, 13, 15}},
		"openssl-1.0.2-ssl3.bin": {Record, 168, 0x0300, 0x0300, "SSL 3.0", 60, 0xc014, false, true, 0, 0, nil, nil},
		"openssl-1.0.2-tls1.bin": {Record, 219, 0x0301, 0x0301, "TLS 1.0", 60, 0xc014, false, true, 13, 0, allPoints, old101},
		"openssl-3.0-tls1.bin":   {Record, 132, 0x0301, 0x0301, "TLS 1.0", 23, 0xc00a, false, true, 5, 0, allPoints, openssl3},
		"openssl-3.0-tls1_1.bin": {Record, 132, 0x0301, 0x0302, "TLS 1.1", 23, 0xc00a, false, true, 5, 0, allPoints, openssl3},
	}
	all := samples(t)
	if len(all) != len(table) {
		t.Errorf("%d samples, %d rows", len(all), len(table))
	}
	for name, b := range all {
		h, err := Peek(reader(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w, got := table[name], want{
			h.Format, h.Length, h.RecordVersion, h.Version, VersionName(h.MaxVersion()),
			len(h.CipherSuites), h.CipherSuites[0], h.HasSSL2Ciphers,
			slices.Contains(h.CipherSuites, renegotiationSCSV),
			len(h.Groups), len(h.SignatureAlgorithms), h.PointFormats, h.Extensions,
		}
		if !slices.Equal(got.points, w.points) || !slices.Equal(got.extensions, w.extensions) {
			t.Errorf("%s: points %v, extensions %v; want %v, %v", name, got.points, got.extensions, w.points, w.extensions)
		}
		got.points, got.extensions, w.points, w.extensions = nil, nil, nil, nil
		if !equal(got, w) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, w)
		}
		if h.ServerName != "" || h.ALPN != nil {
			t.Errorf("%s: server name %q, ALPN %q; want none", name, h.ServerName, h.ALPN)
		}
		compression := []byte{0}
		if h.Format == SSLv2 {
			compression = nil
		}
		if !slices.Equal(h.CompressionMethods, compression) {
			t.Errorf("%s: compression %v, want %v", name, h.CompressionMethods, compression)
		}
	}
}

// What crypto/tls sees in a hello is what Peek sees.
func TestAgreesWithCryptoTLS(t *testing.T) {
	t.Parallel()
	hellos := samples(t)
	for name, b := range modern(t) {
		hellos[name] = b
	}
	for name, b := range hellos {
		h, err := Peek(reader(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if h.Format == SSLv2 {
			continue // crypto/tls does not know it
		}
		info := asCryptoTLS(t, b)
		for what, pair := range map[string][2][]uint16{
			"suites":     {h.CipherSuites, info.CipherSuites},
			"groups":     {h.Groups, numbers(info.SupportedCurves)},
			"signatures": {h.SignatureAlgorithms, numbers(info.SignatureSchemes)},
			"extensions": {h.Extensions, info.Extensions},
		} {
			if !slices.Equal(pair[0], pair[1]) {
				t.Errorf("%s: %s %04x, crypto/tls sees %04x", name, what, pair[0], pair[1])
			}
		}
		if h.ServerName != info.ServerName || !slices.Equal(h.ALPN, info.SupportedProtos) || !slices.Equal(h.PointFormats, info.SupportedPoints) {
			t.Errorf("%s: %q %q %v, crypto/tls sees %q %q %v", name, h.ServerName, h.ALPN, h.PointFormats, info.ServerName, info.SupportedProtos,
				info.SupportedPoints)
		}
		for _, v := range info.SupportedVersions {
			if !h.Offers(v) {
				t.Errorf("%s: does not offer %s, which crypto/tls sees", name, VersionName(v))
			}
		}
	}
}

// asCryptoTLS returns what a crypto/tls server makes of a hello.
func asCryptoTLS(t *testing.T, hello []byte) *tls.ClientHelloInfo {
	t.Helper()
	near, far := net.Pipe()
	var client sync.WaitGroup
	client.Go(func() {
		_, _ = near.Write(hello)
		_ = near.Close()
	})
	var info *tls.ClientHelloInfo
	_ = tls.Server(far, &tls.Config{
		GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
			info = i
			return nil, errors.New("seen enough")
		},
	}).HandshakeContext(context.Background())
	_ = far.Close()
	client.Wait()
	if info == nil {
		t.Fatal("crypto/tls rejects the hello")
	}
	return info
}

func numbers[T ~uint16](list []T) []uint16 {
	all := make([]uint16, len(list))
	for i, v := range list {
		all[i] = uint16(v)
	}
	return all
}

func TestModernClients(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		max      uint16
		version  uint16
		versions []uint16
		alpn     []string
	}{
		"crypto/tls TLS 1.0":     {0x0301, 0x0301, []uint16{0x0301}, []string{"h2", "http/1.1"}},
		"crypto/tls TLS 1.1":     {0x0302, 0x0302, []uint16{0x0302, 0x0301}, []string{"h2", "http/1.1"}},
		"crypto/tls TLS 1.2":     {0x0303, 0x0303, []uint16{0x0303, 0x0302, 0x0301}, []string{"h2", "http/1.1"}},
		"crypto/tls TLS 1.3":     {0x0304, 0x0303, []uint16{0x0304, 0x0303, 0x0302, 0x0301}, []string{"h2", "http/1.1"}},
		"crypto/tls with ML-KEM": {0x0304, 0x0303, []uint16{0x0304, 0x0303}, nil},
	} {
		b := modern(t)[name]
		h, err := Peek(reader(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if h.MaxVersion() != want.max || h.Version != want.version || !slices.Equal(h.SupportedVersions, want.versions) ||
			!slices.Equal(h.ALPN, want.alpn) {
			t.Errorf("%s: got %04x %04x %04x %q, want %+v", name, h.MaxVersion(), h.Version, h.SupportedVersions, h.ALPN, want)
		}
		if h.ServerName != "outlook.office365.com" || h.Length != len(b) || h.RecordVersion != 0x0301 {
			t.Errorf("%s: server name %q, length %d of %d, record version %04x", name, h.ServerName, h.Length, len(b), h.RecordVersion)
		}
	}
	h, err := Peek(reader(modern(t)["crypto/tls with ML-KEM"]))
	if err != nil || !slices.Equal(h.Groups, []uint16{0x11ec, 29}) || h.Length < 1216 {
		t.Errorf("groups %04x, length %d, %v; want ML-KEM and its key share", h.Groups, h.Length, err)
	}
}
