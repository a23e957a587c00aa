package legacytls

import (
	"crypto/tls"
	"testing"
)

// sslv2Hellos are in SSLv2 format (RFC 5246 appendix E.2).
func sslv2Hellos() map[string]helloCase {
	many := append([]uint16{rsaAES128}, numbers(120)...)
	return map[string]helloCase{
		"SSLv2 format": {hello: hello{challenge: 32}},
		"SSLv2 format with a challenge of 16 bytes": {
			hello: hello{challenge: 16, ssl2Suites: 7}},
		"SSLv2 format with a challenge of 23 bytes, TLS 1.1": {
			hello: hello{challenge: 23, version: tls.VersionTLS11}, version: tls.VersionTLS11},
		"SSLv2 format, TLS 1.2": {
			hello: hello{challenge: 32, version: tls.VersionTLS12}, version: tls.VersionTLS12},
		"SSLv2 format of more than 255 bytes": {
			hello: hello{challenge: 32, suites: many}},
		"SSLv2 format of more than 255 bytes, TLS 1.2": {
			hello: hello{challenge: 16, version: tls.VersionTLS12, suites: many}, version: tls.VersionTLS12},
		"SSLv2 format of 4000 bytes": {
			hello: hello{challenge: 32, suites: append(numbers(1300), rsaAES128)}},
		"SSLv2 format with a header of three bytes": {
			hello: hello{challenge: 32, longHeader: true}},
		"SSLv2 format of more than 255 bytes with a header of three bytes": {
			hello: hello{challenge: 20, longHeader: true, suites: many}},
		"SSLv2 format with a session ID": {
			hello: hello{challenge: 32, ssl2Suites: 7, ssl2ID: []byte("session of SSL 2")}},
		"SSLv2 format with a session ID and a challenge of 16 bytes, TLS 1.2": {
			hello: hello{challenge: 16, ssl2ID: make([]byte, 16), version: tls.VersionTLS12}, version: tls.VersionTLS12},
		"SSLv2 format with a session ID and a header of three bytes": {
			hello: hello{challenge: 20, ssl2ID: []byte("session of SSL 2"), longHeader: true}},
		"SSLv2 format with the SCSV": {
			hello:      hello{challenge: 32, suites: []uint16{rsaAES128, 0x00ff}},
			extensions: []uint16{extRenegotiationInfo}},
		"SSLv2 format with ECDHE": {
			hello: hello{challenge: 16, suites: []uint16{ecdheAES128}}, suite: ecdheAES128, curve: 23},
		"SSLv2 format with RC4-MD5": {
			hello: hello{challenge: 16, suites: []uint16{rsaRC4MD5}}, suite: rsaRC4MD5},
	}
}

// The first byte of a hello in SSLv2 format has the high bits of its length.
func TestSSLv2LongLength(t *testing.T) {
	t.Parallel()
	h := hello{challenge: 32, suites: append(numbers(120), rsaAES128)}
	if b := h.wire(); b[0] != 0x81 {
		t.Fatalf("the hello begins with %02x", b[0])
	}
}

// A hello in SSLv2 format may come byte by byte, too.
func TestSSLv2ByteByByte(t *testing.T) {
	t.Parallel()
	c := begin(t, newConfig(t), hello{challenge: 32, suites: []uint16{rsaAES128, 0x00ff}})
	c.said = c.hello.transcript()
	for _, b := range c.hello.wire() {
		c.send([]byte{b})
	}
	c.hearHello()
	c.hearFlight()
	c.sayKeyExchange()
	c.sayChange()
	c.sayFinished()
	c.hearFinished()
	c.echo([]byte("hello"), 5)
	if c.err != nil {
		t.Fatal(c.err)
	}
	c.close()
}

// What is wrong with a hello in SSLv2 format is told by the right alert.
func TestSSLv2Refused(t *testing.T) {
	t.Parallel()
	change := func(at int, to ...byte) func([]byte) []byte {
		return func(b []byte) []byte {
			copy(b[at:], to)
			return b
		}
	}
	// In the record: length 2, type 1, version 2, lengths of suites, session ID
	// and challenge, 2 each.
	for name, row := range map[string]struct {
		change func([]byte) []byte
		want   alert
	}{
		"SSL 2.0":                             {change(3, 0, 2), alertProtocolVersion},
		"SSL 3.0":                             {change(3, 3, 0), alertProtocolVersion},
		"no suites":                           {change(5, 0, 0), alertDecodeError},
		"half a suite":                        {change(5, 0, 4), alertDecodeError},
		"suites longer than the hello":        {change(5, 1, 0x2f), alertDecodeError},
		"suites shorter than they are":        {change(5, 0, 3), alertDecodeError},
		"a session ID that is not there":      {change(7, 0, 16), alertDecodeError},
		"a session ID of 8 bytes":             {change(7, 0, 8), alertDecodeError},
		"no challenge":                        {change(9, 0, 0), alertDecodeError},
		"a challenge of 15 bytes":             {change(9, 0, 15), alertDecodeError},
		"a challenge of 33 bytes":             {change(9, 0, 33), alertDecodeError},
		"a challenge shorter than it is":      {change(9, 0, 31), alertDecodeError},
		"another message":                     {change(2, 4), alertDecodeError},
		"bytes after it":                      {func(b []byte) []byte { b[1]++; return append(b, 0) }, alertDecodeError},
		"a record without content":            {func([]byte) []byte { return []byte{0x80, 0, 1, 3, 1} }, alertDecodeError},
		"a record of one byte":                {func([]byte) []byte { return []byte{0x80, 1, 1, 3, 1} }, alertDecodeError},
		"a record too long":                   {change(0, 0x90, 1), alertRecordOverflow},
		"a record of SSLv2's longest":         {change(0, 0xff, 0xff), alertRecordOverflow},
		"a long header and a record too long": {func([]byte) []byte { return []byte{0x10, 1, 0, 1, 3, 1} }, alertRecordOverflow},
		"suites of SSL 2.0 alone":             {change(11, 1, 0, 0x80, 2, 0, 0x80), alertHandshakeFailure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, newConfig(t), hello{challenge: 32, suites: []uint16{rsaAES128, 0x00ff}})
			c.send(row.change(c.hello.wire()))
			c.wantAlert(row.want)
			if version := c.raw.Bytes()[1:3]; version[0] != 3 {
				t.Errorf("the alert is in a record of version %x", version)
			}
		})
	}
}

// A hello in SSLv2 format whose bytes are changed one by one never leads
// further than to an alert or to the key exchange.
func TestSSLv2Mutated(t *testing.T) {
	t.Parallel()
	whole := hello{challenge: 16, suites: []uint16{rsaAES128}}.wire()
	for at := range whole {
		for _, to := range []byte{0, 1, 2, 0x7f, 0x80, 0xff} {
			b := append([]byte{}, whole...)
			b[at] = to
			outcome(t, b)
		}
	}
}
