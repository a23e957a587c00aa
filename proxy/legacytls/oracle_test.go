package legacytls

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/big"
	"slices"
	"testing"
	"testing/cryptotest"
)

// A cbcRecord is a record with CBC that is put together by hand.
type cbcRecord struct {
	typ    byte
	data   []byte
	blocks int                                  // of padding, beside what fills up the last one
	change func(plain []byte, mac, padding int) // of data, MAC and padding, before it is encrypted
	ragged int                                  // bytes to cut off behind
}

// forge sends a record.
func (c *script) forge(r cbcRecord) {
	if c.err != nil {
		return
	}
	p := c.out
	size := p.block.BlockSize()
	plain := p.mac.sum(slices.Clone(r.data), p.macHeader(r.typ, len(r.data)), r.data)
	n := size - len(plain)%size + r.blocks*size
	plain = append(plain, bytes.Repeat([]byte{byte(n - 1)}, n)...)
	if r.change != nil {
		r.change(plain, len(r.data), len(r.data)+p.mac.size)
	}
	body := append(make([]byte, p.explicitIV()), plain...)
	p.block.CryptBlocks(body, body)
	p.seq++
	c.send(plainRecord(r.typ, p.version, body[:len(body)-r.ragged]))
}

// forgedRecords have a wrong byte at every place, and lengths of padding that
// cannot be.
func forgedRecords(typ byte, data []byte) map[string]cbcRecord {
	all := map[string]cbcRecord{"a body that is no whole blocks": {typ: typ, data: data, ragged: 3}}
	flip := func(at func(mac, padding, end int) int) func([]byte, int, int) {
		return func(plain []byte, mac, padding int) { plain[at(mac, padding, len(plain))] ^= 1 }
	}
	for i := range 4 * 8 {
		all[fmt.Sprintf("padding byte %d from behind", i)] = cbcRecord{typ: typ, data: data, blocks: 4,
			change: flip(func(_, padding, end int) int {
				return max(padding, end-1-i)
			})}
	}
	for i := range 20 {
		all[fmt.Sprintf("MAC byte %d", i)] = cbcRecord{typ: typ, data: data, change: flip(func(mac, _, _ int) int { return mac + i })}
	}
	for _, last := range []byte{0, 1, 60, 100, 200, 255} {
		all[fmt.Sprintf("a last byte of %d", last)] = cbcRecord{typ: typ, data: data,
			change: func(plain []byte, _, _ int) { plain[len(plain)-1] = last }}
		all[fmt.Sprintf("all bytes of %d", last)] = cbcRecord{typ: typ, data: data,
			change: func(plain []byte, _, _ int) { copy(plain, bytes.Repeat([]byte{last}, len(plain))) }}
	}
	all["data"] = cbcRecord{typ: typ, data: data, change: flip(func(mac, _, _ int) int { return mac - 1 })}
	return all
}

// A badKey is a premaster secret with which the client goes on, and a
// ciphertext for the server, of that secret or of something else.
type badKey func(c *script) (premaster, ciphertext []byte)

// badKeys lead nowhere, although the client computes with what it has
// encrypted, where it has.
func badKeys() map[string]badKey {
	of := func(version uint16, n int) badKey {
		return func(c *script) (premaster, ciphertext []byte) {
			premaster = append(u16(c.hello.theVersion()^version), make([]byte, n-2)...)
			return premaster, c.encrypt(premaster)
		}
	}
	raw := func(change func(m []byte)) badKey {
		return func(c *script) (premaster, ciphertext []byte) {
			premaster = append(u16(c.hello.theVersion()), make([]byte, premasterLen-2)...)
			m := slices.Concat([]byte{0, 2}, bytes.Repeat([]byte{1}, 256-3-premasterLen), []byte{0}, premaster)
			change(m)
			if c.err != nil {
				return nil, nil
			}
			e, n := big.NewInt(int64(c.answer.key.E)), c.answer.key.N
			return premaster, new(big.Int).Exp(new(big.Int).SetBytes(m), e, n).FillBytes(make([]byte, 256))
		}
	}
	just := func(ciphertext []byte) badKey {
		return func(c *script) (premaster, _ []byte) {
			return append(u16(c.hello.theVersion()), make([]byte, premasterLen-2)...), ciphertext
		}
	}
	return map[string]badKey{
		"the version beside":    of(0x0001, premasterLen),
		"a version to come":     of(0x0006, premasterLen),
		"another major version": of(0x0100, premasterLen),
		"47 bytes":              of(0, 47),
		"49 bytes":              of(0, 49),
		"2 bytes":               of(0, 2),
		"the longest":           of(0, 245),
		"a first byte of 1":     raw(func(m []byte) { m[0] = 1 }),
		"block type 1":          raw(func(m []byte) { m[1] = 1 }),
		"a zero in the filling": raw(func(m []byte) { m[5] = 0 }),
		"a zero too early":      raw(func(m []byte) { copy(m[2:], bytes.Repeat([]byte{0}, 8)) }),
		"no zero at all":        raw(func(m []byte) { copy(m[2:], bytes.Repeat([]byte{1}, 254)) }),
		"nonsense":              just(bytes.Repeat([]byte{0x55}, 256)),
		"0":                     just(make([]byte, 256)),
		"as large as can be":    just(bytes.Repeat([]byte{0xff}, 256)),
		"a byte too short":      just(make([]byte, 255)),
		"a byte too long":       just(make([]byte, 257)),
		"no ciphertext":         just(nil),
		"a ciphertext of 8 kB":  just(make([]byte, 8<<10)),
	}
}

// wire is all that a server sends to a client that does something, from a
// random source that is always the same.
func wire(t *testing.T, h hello, do func(c *script)) []byte {
	cryptotest.SetGlobalRandom(t, 1)
	c := begin(t, newConfig(t), h)
	do(c)
	c.wantAlert(alertBadRecordMAC)
	if _, err := io.ReadAll(c.r); err != nil {
		t.Error(err)
	}
	return c.raw.Bytes()
}

// What is wrong with a record or with a premaster secret cannot be told from a
// single byte on the wire: not the padding from the MAC, and not a secret that
// does not decrypt from a Finished that does not.
func TestNoOracle(t *testing.T) {
	identity(t) // is not made from that source
	for _, p := range []parameters{
		{"TLS 1.0 AES-CBC", tls.VersionTLS10, rsaAES128},
		{"TLS 1.0 3DES", tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
		{"TLS 1.1 AES-CBC", tls.VersionTLS11, rsaAES128},
		{"TLS 1.2 AES-CBC-SHA256", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA256},
	} {
		t.Run(p.name, func(t *testing.T) {
			handshake, established := map[string][]byte{}, map[string][]byte{}
			for name, r := range forgedRecords(typeHandshake, make([]byte, 16)) {
				handshake[name] = wire(t, p.hello(), func(c *script) { c.toFinished(); c.forge(r) })
			}
			for name, key := range badKeys() {
				handshake["premaster secret: "+name] = wire(t, p.hello(), func(c *script) {
					c.toFlight()
					premaster, ciphertext := key(c)
					c.sayKey(premaster, vec16(ciphertext))
					c.sayChange()
					c.sayFinished()
				})
			}
			for name, r := range forgedRecords(typeApplicationData, []byte("some data")) {
				established[name] = wire(t, p.hello(), func(c *script) { c.connect(); c.forge(r) })
			}
			same(t, handshake)
			same(t, established)
		})
	}
}

// same wants all to be the same bytes.
func same(t *testing.T, all map[string][]byte) {
	t.Helper()
	var first []byte
	for name, b := range all {
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) || len(b) == 0 {
			t.Errorf("%s: the server sends %x, with another one %x", name, b, first)
		}
	}
}

// The hand that forges makes good records, too, and good ciphertexts; clients
// that put the version agreed on into the premaster secret are served.
func TestForgedRecordsAreClose(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		if suiteByID(p.suite).block == nil {
			continue
		}
		c := begin(t, newConfig(t), p.hello())
		c.connect()
		for blocks := range 10 {
			c.forge(cbcRecord{typ: typeApplicationData, data: []byte("x"), blocks: blocks})
			if typ, data := c.read(); typ != typeApplicationData || string(data) != "x" {
				t.Fatalf("%s, %d blocks: %d, %q, %v", p.name, blocks, typ, data, c.err)
			}
		}
		c.close()
	}
	c := begin(t, newConfig(t), hello{version: 0x0304})
	c.toFlight()
	premaster := append(u16(tls.VersionTLS12), make([]byte, premasterLen-2)...)
	c.sayKey(premaster, vec16(c.encrypt(premaster)))
	c.sayChange()
	c.sayFinished()
	c.hearFinished()
	if c.err != nil {
		t.Fatal(c.err)
	}
	c.close()
}
