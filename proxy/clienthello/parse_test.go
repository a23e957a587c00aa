package clienthello

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// What breaks the framing is malformed.
func TestMalformed(t *testing.T) {
	t.Parallel()
	base := draft{version: 0x0301, suites: []uint16{0x000a}, compression: []byte{0}}
	message := base.message()
	oldVersion := base
	oldVersion.version = 0x0200
	// body is a hello whose body ends in the bytes given, after the random.
	body := func(tail ...byte) []byte {
		return record(0x0301, handshake(1, slices.Concat(message[4:4+2+randomLen], tail)))
	}
	for name, b := range map[string][]byte{
		"another message first":              record(0x0301, handshake(2, message[4:])),
		"another message, one byte":          fragment(0x0301, handshake(2, message[4:]), 1),
		"empty record first":                 slices.Concat(record(0x0301, nil), base.bytes()),
		"empty record inside":                slices.Concat(record(0x0301, message[:9]), record(0x0301, nil), record(0x0301, message[9:])),
		"alert inside":                       slices.Concat(record(0x0301, message[:9]), []byte{21, 3, 1, 0, 2, 1, 0}),
		"empty body":                         record(0x0301, handshake(1, nil)),
		"version only":                       record(0x0301, handshake(1, []byte{3, 1})),
		"ends in the random":                 record(0x0301, handshake(1, message[4:20])),
		"ends after the random":              body(),
		"session id beyond the end":          body(8, 1, 2, 3),
		"ends after the session id":          body(0),
		"suites beyond the end":              body(0, 0, 9, 0, 10),
		"half a suite":                       body(0, 0, 3, 0, 10, 0, 1, 0),
		"ends after the suites":              body(0, 0, 2, 0, 10),
		"compression beyond the end":         body(0, 0, 2, 0, 10, 2, 0),
		"one byte of extensions":             body(0, 0, 2, 0, 10, 1, 0, 0),
		"extensions beyond the end":          body(0, 0, 2, 0, 10, 1, 0, 0, 4, 0, 23, 0),
		"bytes after the extensions":         body(0, 0, 2, 0, 10, 1, 0, 0, 0, 7),
		"half an extension's header":         body(0, 0, 2, 0, 10, 1, 0, 0, 3, 0, 23, 0),
		"extension beyond the end":           with([]byte{0, 23, 0, 1}),
		"SSL 2.0 in a record":                oldVersion.bytes(),
		"groups without a list":              with(extension(10)),
		"groups, half a length":              with(extension(10, 0)),
		"groups beyond the end":              with(extension(10, 0, 4, 0, 23)),
		"half a group":                       with(extension(10, 0, 3, 0, 23, 0)),
		"bytes after the groups":             with(extension(10, 0, 2, 0, 23, 0)),
		"points without a list":              with(extension(11)),
		"points beyond the end":              with(extension(11, 2, 0)),
		"bytes after the points":             with(extension(11, 1, 0, 0)),
		"signatures without a list":          with(extension(13)),
		"bytes after the signatures":         with(extension(13, 0, 2, 4, 1, 0)),
		"ALPN without a list":                with(extension(16)),
		"ALPN name beyond the end":           with(extension(16, 0, 3, 9, 'h', '2')),
		"bytes after ALPN":                   with(extension(16, 0, 3, 2, 'h', '2', 0)),
		"versions without a list":            with(extension(43)),
		"no version":                         with(extension(43, 0)),
		"no version but GREASE":              with(extension(43, 2, 0x2a, 0x2a)),
		"half a version":                     with(extension(43, 3, 3, 4, 3)),
		"bytes after the versions":           with(extension(43, 2, 3, 4, 0)),
		"groups twice":                       with(extension(10, 0, 2, 0, 23), extension(10, 0, 2, 0, 23)),
		"points twice":                       with(extension(11, 1, 0), extension(11, 1, 0)),
		"signatures twice":                   with(extension(13, 0, 2, 4, 1), extension(13, 0, 2, 4, 1)),
		"ALPN twice":                         with(extension(16, 0, 3, 2, 'h', '2'), extension(16, 0, 3, 2, 'h', '2')),
		"versions twice":                     with(extension(43, 2, 3, 4), extension(43, 2, 3, 3)),
		"SSLv2 format, no specs":             sslv2(sslv2Body(0x0301, nil, 0, 32)),
		"SSLv2 format, half a spec":          sslv2(sslv2Body(0x0301, []byte{0, 0, 10, 0}, 0, 32)),
		"SSLv2 format, session id of 8":      sslv2(sslv2Body(0x0301, []byte{0, 0, 10}, 8, 32)),
		"SSLv2 format, challenge of 15":      sslv2(sslv2Body(0x0301, []byte{0, 0, 10}, 0, 15)),
		"SSLv2 format, challenge of 33":      sslv2(sslv2Body(0x0301, []byte{0, 0, 10}, 0, 33)),
		"SSLv2 format, bytes after it":       sslv2(append(sslv2Body(0x0301, []byte{0, 0, 10}, 0, 32), 0)),
		"SSLv2 format, specs beyond the end": sslv2([]byte{1, 3, 1, 0xff, 0xff, 0, 0, 0, 32}),
	} {
		h, err := Peek(reader(b))
		if !errors.Is(err, ErrMalformed) || h != nil {
			t.Errorf("%s: %+v, %v, want malformed", name, h, err)
		}
	}
}

// The alert says what kind of mistake it is.
func TestMalformedAlerts(t *testing.T) {
	t.Parallel()
	base := draft{version: 0x0301, suites: []uint16{0x000a}, compression: []byte{0}}
	message := base.message()
	oldVersion, odd := base, base
	oldVersion.version, odd.version = 0x0200, 0
	for name, tt := range map[string]struct {
		stream []byte
		want   uint8
	}{
		"ServerHello first":              {record(0x0301, handshake(2, message[4:])), alertUnexpectedMessage},
		"HelloRequest first":             {record(0x0301, handshake(0, nil)), alertUnexpectedMessage},
		"ClientKeyExchange first":        {record(0x0301, handshake(16, []byte("key"))), alertUnexpectedMessage},
		"another message, one byte each": {fragment(0x0301, handshake(20, message[4:]), 1), alertUnexpectedMessage},
		"an empty record":                {record(0x0301, nil), alertUnexpectedMessage},
		"an alert inside":                {slices.Concat(record(0x0301, message[:9]), []byte{21, 3, 1, 0, 2, 1, 0}), alertUnexpectedMessage},
		"a message after it":             {record(0x0301, slices.Concat(message, handshake(16, nil))), alertUnexpectedMessage},
		"a byte after it":                {record(0x0301, append(slices.Clone(message), 0)), alertUnexpectedMessage},
		"a byte after it, second record": {
			slices.Concat(record(0x0301, message[:9]), record(0x0301, append(slices.Clone(message[9:]), 0))), alertUnexpectedMessage},
		"SSL 2.0 in a record":           {oldVersion.bytes(), alertProtocolVersion},
		"version 0":                     {odd.bytes(), alertProtocolVersion},
		"record version 0000":           {record(0x0000, message), alertProtocolVersion},
		"record version 0200":           {record(0x0200, message), alertProtocolVersion},
		"record version 02ff":           {record(0x02ff, message), alertProtocolVersion},
		"second record of version 0200": {slices.Concat(record(0x0301, message[:9]), record(0x0200, message[9:])), alertProtocolVersion},
		"only GREASE versions":          {with(extension(43, 2, 0x2a, 0x2a)), alertProtocolVersion},
		"an empty list of versions":     {with(extension(43, 0)), alertDecodeError},
		"half a group":                  {with(extension(10, 0, 3, 0, 23, 0)), alertDecodeError},
	} {
		_, err := Peek(reader(tt.stream))
		var malformed *MalformedError
		if !errors.As(err, &malformed) || malformed.Alert != tt.want {
			t.Errorf("%s: %v, want alert %d", name, err, tt.want)
		}
	}
}

// What is odd but can be understood is let through.
func TestLenient(t *testing.T) {
	t.Parallel()
	base := draft{version: 0x0301, suites: []uint16{0x000a}, compression: []byte{0}}
	longID, noSuites, noCompression, emptyBlock, future := base, base, base, base, base
	longID.sessionID = make([]byte, 33)
	noSuites.suites = nil
	noCompression.compression = nil
	emptyBlock.extensions = [][]byte{}
	future.version = 0x0400
	for name, b := range map[string][]byte{
		"no extensions block":           base.bytes(),
		"empty extensions block":        emptyBlock.bytes(),
		"session id of 33 bytes":        longID.bytes(),
		"no suites":                     noSuites.bytes(),
		"no compression":                noCompression.bytes(),
		"version of the future":         future.bytes(),
		"record version 0300":           record(0x0300, base.message()),
		"record version 03ff":           record(0x03ff, base.message()),
		"compressed points only":        with(extension(11, 2, 1, 2)),
		"unknown extension":             with(extension(30031, 1, 2, 3)),
		"unknown extension twice":       with(extension(30031, 1), extension(30031)),
		"status_request that is broken": with(extension(5, 9, 9)),
		"empty lists":                   with(extension(10, 0, 0), extension(11, 0), extension(13, 0, 0), extension(16, 0, 0)),
		"half a signature":              with(extension(13, 0, 3, 4, 1, 5)),
		"empty ALPN name":               with(extension(16, 0, 1, 0)),
	} {
		if _, err := Peek(reader(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Absent and empty lists are told apart.
func TestAbsentAndEmpty(t *testing.T) {
	t.Parallel()
	absent := mustPeek(t, with())
	if absent.SignatureAlgorithms != nil || absent.Groups != nil || absent.PointFormats != nil || absent.SupportedVersions != nil ||
		absent.HasExtension(13) {
		t.Errorf("no extensions give %+v", absent)
	}
	empty := mustPeek(t, with(extension(10, 0, 0), extension(11, 0), extension(13, 0, 0)))
	if empty.SignatureAlgorithms == nil || empty.Groups == nil || empty.PointFormats == nil || !empty.HasExtension(13) {
		t.Errorf("empty extensions give %+v", empty)
	}
}

func TestServerName(t *testing.T) {
	t.Parallel()
	entry := append([]byte{0}, vec16([]byte("a.example")...)...)
	for name, tt := range map[string]struct {
		extensions [][]byte
		want       string
	}{
		"one name":                  {[][]byte{sni("a.example")}, "a.example"},
		"as sent":                   {[][]byte{sni("A.Example.")}, "A.Example."},
		"with brackets and a space": {[][]byte{sni("<a example>")}, "<a example>"},
		"bytes that no name has":    {[][]byte{sni("a\x00b\xff")}, "a\x00b\xff"},
		"another type beside it":    {[][]byte{extension(0, vec16(append([]byte{7, 0, 1, 'x'}, entry...)...)...)}, "a.example"},
		"255 bytes":                 {[][]byte{sni(strings.Repeat("a", 255))}, strings.Repeat("a", 255)},
		"256 bytes":                 {[][]byte{sni(strings.Repeat("a", 256))}, ""},
		"empty name":                {[][]byte{sni("")}, ""},
		"no name":                   {[][]byte{sni()}, ""},
		"empty extension":           {[][]byte{extension(0)}, ""},
		"two names":                 {[][]byte{sni("a.example", "b.example")}, ""},
		"the extension twice":       {[][]byte{sni("a.example"), sni("b.example")}, ""},
		"the extension three times": {[][]byte{sni("a.example"), sni("b.example"), sni("c.example")}, ""},
		"bytes after the list":      {[][]byte{extension(0, append(vec16(entry...), 0)...)}, ""},
		"list beyond the end":       {[][]byte{extension(0, append([]byte{0, 99}, entry...)...)}, ""},
		"name beyond the end":       {[][]byte{extension(0, vec16(0, 0, 9, 'a')...)}, ""},
		"half an entry after it":    {[][]byte{extension(0, vec16(append(bytes.Clone(entry), 7, 0, 9)...)...)}, ""},
		"only another type":         {[][]byte{extension(0, vec16(7, 0, 1, 'x')...)}, ""},
		"garbage":                   {[][]byte{extension(0, 0xff, 0xff, 0xff)}, ""},
	} {
		h, err := Peek(reader(with(append(tt.extensions, extension(23))...)))
		if err != nil || h.ServerName != tt.want || !h.HasExtension(0) || !h.HasExtension(23) {
			t.Errorf("%s: %+v, %v, want the name %q", name, h, err, tt.want)
		}
	}
}

func TestLeavesOutGREASE(t *testing.T) {
	t.Parallel()
	grease := draft{
		version: 0x0303, suites: []uint16{0x0a0a, 0x1301, FallbackSCSV, renegotiationSCSV, 0xfafa, 0x0a1a},
		compression: []byte{0},
		extensions: [][]byte{
			extension(0x3a3a), extension(10, vec16(words(0x4a4a, 29)...)...),
			extension(13, vec16(words(0x5a5a, 0x0804)...)...),
			extension(16, vec16(2, 0x6a, 0x6a, 2, 'h', '2', 0)...),
			extension(43, vec8(words(0x7a7a, 0x0304, 0x0303)...)...), extension(0x8a8a, 0),
		},
	}
	h := mustPeek(t, grease.bytes())
	for what, pair := range map[string][2][]uint16{
		"suites":     {h.CipherSuites, {0x1301, FallbackSCSV, renegotiationSCSV, 0x0a1a}},
		"groups":     {h.Groups, {29}},
		"signatures": {h.SignatureAlgorithms, {0x0804}},
		"versions":   {h.SupportedVersions, {0x0304, 0x0303}},
		"extensions": {h.Extensions, {10, 13, 16, 43}},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s %04x, want %04x", what, pair[0], pair[1])
		}
	}
	if !slices.Equal(h.ALPN, []string{"h2"}) {
		t.Errorf("ALPN %q, want h2", h.ALPN)
	}
}

// What makes no sense about the signatures of certificates counts as nothing: it harms
// nobody.
func TestSignaturesOfCertificates(t *testing.T) {
	t.Parallel()
	good := vec16(words(0x6a6a, 0x0401, 0x0403)...)
	for name, row := range map[string]struct {
		extensions [][]byte
		want       []uint16
	}{
		"none":       {nil, nil},
		"two":        {[][]byte{extension(50, good...)}, []uint16{0x0401, 0x0403}},
		"twice":      {[][]byte{extension(50, good...), extension(50, good...)}, nil},
		"half a one": {[][]byte{extension(50, vec16(4, 1, 4)...)}, nil},
		"too short":  {[][]byte{extension(50, 0, 9, 4, 1)}, nil},
		"too long":   {[][]byte{extension(50, append(good, 0)...)}, nil},
		"empty":      {[][]byte{extension(50)}, nil},
	} {
		h := mustPeek(t, draft{version: 0x0303, suites: []uint16{0x002f}, compression: []byte{0}, extensions: row.extensions}.bytes())
		if !slices.Equal(h.CertSignatures, row.want) || h.HasExtension(50) != (row.extensions != nil) {
			t.Errorf("%s: %04x, want %04x", name, h.CertSignatures, row.want)
		}
	}
}
