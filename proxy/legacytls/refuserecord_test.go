package legacytls

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

// sealed is a record of data that the server would take.
func (c *script) sealed(typ byte, data []byte) []byte {
	b, err := c.out.seal(nil, typ, data)
	if err != nil {
		c.fail("sealing: %w", err)
	}
	return b
}

// resized is a record with another body, whose length says so.
func resized(record, body []byte) []byte {
	return plainRecord(record[0], uint16(record[1])<<8|uint16(record[2]), body)
}

// forgeries are records that were made or changed on the way.
func forgeries() map[string]func(c *script) {
	data := []byte("thirty bytes, or a little more")
	changed := func(change func(b []byte) []byte) func(*script) {
		return func(c *script) { c.send(change(c.sealed(typeApplicationData, data))) }
	}
	all := map[string]func(c *script){
		"a record replayed": func(c *script) {
			b := c.sealed(typeApplicationData, data)
			c.send(b)
			c.send(b)
		},
		"a record left out": func(c *script) {
			c.sealed(typeApplicationData, data)
			c.record(typeApplicationData, data)
		},
		"records in another order": func(c *script) {
			first := c.sealed(typeApplicationData, data)
			c.record(typeApplicationData, data)
			c.send(first)
		},
		"an alert passed off as data": changed(func(b []byte) []byte { b[0] = typeAlert; return b }),
		"a byte cut off":              changed(func(b []byte) []byte { return resized(b, b[5:len(b)-1]) }),
		"a block cut off":             changed(func(b []byte) []byte { return resized(b, b[5:len(b)-16]) }),
		"a byte too many":             changed(func(b []byte) []byte { return resized(b, append(b[5:], 0)) }),
		"a block too many":            changed(func(b []byte) []byte { return resized(b, append(b[5:], make([]byte, 16)...)) }),
		"a block twice":               changed(func(b []byte) []byte { return resized(b, append(b[5:], b[len(b)-16:]...)) }),
		"nothing":                     changed(func(b []byte) []byte { return resized(b, nil) }),
		"a record without protection": changed(func(b []byte) []byte { return resized(b, data) }),
		"the longest body there is":   changed(func(b []byte) []byte { return resized(b, make([]byte, maxPlaintext+maxExpansion)) }),
		"a plain close_notify":        func(c *script) { c.send(plainRecord(typeAlert, c.answer.version, []byte{1, 0})) },
	}
	for _, at := range []int{0, 7, 15, 16, 20, 30, 31, -1, -2, -16, -17, -20, -30} {
		all[fmt.Sprintf("byte %d changed", at)] = changed(func(b []byte) []byte {
			b[(at+len(b)-5)%(len(b)-5)+5] ^= 0x40
			return b
		})
	}
	for n := range 40 {
		all[fmt.Sprintf("a body of %d zero bytes", n)] = changed(func(b []byte) []byte { return resized(b, make([]byte, n)) })
	}
	return all
}

// violations are records that verify, but must not come.
func violations() map[string]misstep {
	one := func(want alert, typ byte, data ...byte) misstep {
		return misstep{do: func(c *script) { c.record(typ, data) }, want: want}
	}
	times := func(n int, typ byte, data ...byte) misstep {
		return misstep{do: func(c *script) {
			for range n {
				c.record(typ, data)
			}
		}, want: alertUnexpectedMessage}
	}
	hello := hello{}.transcript()
	return map[string]misstep{
		"ChangeCipherSpec":               one(alertUnexpectedMessage, typeChangeCipherSpec, 1),
		"record type 0":                  one(alertUnexpectedMessage, 0, 1),
		"record type 24":                 one(alertUnexpectedMessage, 24, 1),
		"an empty handshake record":      one(alertUnexpectedMessage, typeHandshake),
		"HelloRequest":                   one(alertUnexpectedMessage, typeHandshake, 0, 0, 0, 0),
		"ClientKeyExchange":              one(alertUnexpectedMessage, typeHandshake, msgClientKeyExchange, 0, 0, 0),
		"Finished":                       one(alertUnexpectedMessage, typeHandshake, handshakeMessage(msgFinished, make([]byte, 12))...),
		"a hello longer than any":        one(alertUnexpectedMessage, typeHandshake, msgClientHello, 0xff, 0xff, 0xff),
		"an empty alert":                 one(alertDecodeError, typeAlert),
		"half an alert":                  one(alertDecodeError, typeAlert, 1),
		"two alerts at once":             one(alertDecodeError, typeAlert, 1, 90, 1, 90),
		"an alert of level 0":            one(alertIllegalParameter, typeAlert, 0, 90),
		"too much in a record":           one(alertRecordOverflow, typeApplicationData, make([]byte, maxPlaintext+1)...),
		"a handshake record too long":    one(alertRecordOverflow, typeHandshake, make([]byte, maxPlaintext+1)...),
		"too many empty records":         times(maxUseless+1, typeApplicationData),
		"too many warnings":              times(maxUseless+1, typeAlert, levelWarning, 90),
		"too many renegotiations":        times(maxUseless+1, typeHandshake, hello...),
		"too many renegotiations in one": times(1, typeHandshake, bytes.Repeat(hello, maxUseless+1)...),
		"a record longer than any": {
			do: func(c *script) {
				c.send(resized(c.sealed(typeApplicationData, nil), make([]byte, maxPlaintext+maxExpansion+1)))
			}, want: alertRecordOverflow},
		"a record of another version": {
			do: func(c *script) { c.out.version ^= 4; c.record(typeApplicationData, []byte("x")) }, want: alertProtocolVersion},
		"another version in the header": {
			do: func(c *script) { b := c.sealed(typeApplicationData, nil); b[2]++; c.send(b) }, want: alertProtocolVersion},
	}
}

// An established connection ends by the right alert; forgeries all by the same
// one. What the server wants to write then goes nowhere.
func TestRefusedRecords(t *testing.T) {
	t.Parallel()
	all := violations()
	for name, do := range forgeries() {
		all["forged: "+name] = misstep{do: do, want: alertBadRecordMAC}
	}
	for _, p := range protections {
		for name, row := range all {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := begin(t, newConfig(t), p.hello())
				c.connect()
				if c.err != nil {
					t.Fatal(c.err)
				}
				row.do(c)
				c.wantAlert(row.want)
				if n, err := c.server.Write([]byte("into the void")); !errors.As(err, new(*ProtocolError)) || n != 0 {
					t.Errorf("writing after it: %d, %v", n, err)
				}
				if n, err := c.server.Read(make([]byte, 10)); n != 0 || !errors.As(err, new(*ProtocolError)) {
					t.Errorf("reading after it: %d, %v", n, err)
				}
			})
		}
	}
}

// A ClientHello inside the connection is answered by the warning
// no_renegotiation, and the connection goes on (RFC 5246 section 7.2.2), also
// if it comes in pieces or with Finished.
func TestRenegotiation(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, newConfig(t), p.hello())
			c.connect()
			hello, large := c.hello.transcript(), hello{extensions: padded()}
			ask := map[int]func(){
				0: func() { c.record(typeHandshake, hello) },
				1: func() { c.grain = 7; c.say(hello) },
				2: func() {
					c.record(typeHandshake, hello[:9])
					c.echo([]byte("between"), 7)
					c.record(typeHandshake, hello[9:])
				},
				3: func() { c.record(typeHandshake, hello[:2]); c.record(typeHandshake, slices.Concat(hello[2:])) },
				4: func() { c.grain = 16000; c.say(large.transcript()) },
			}
			for i := range 3 * maxUseless {
				ask[i%len(ask)]()
				c.echo([]byte("on it goes"), 3)
				if c.err != nil || len(c.warnings) != i+1 || c.warnings[i] != alertNoRenegotiation {
					t.Fatalf("%d: warnings %v, %v", i, c.warnings, c.err)
				}
			}
			c.close()
		})
	}
}

// As many empty records as are allowed, before each piece of data, are nothing.
func TestEmptyRecords(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, newConfig(t), p.hello())
			c.connect()
			for range 3 {
				for range maxUseless {
					c.record(typeApplicationData, nil)
				}
				c.echo([]byte("on it goes"), 3)
			}
			if c.err != nil {
				t.Fatal(c.err)
			}
			c.close()
		})
	}
}

// An end without close_notify is not taken for the client's, wherever it comes.
func TestCutOff(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, newConfig(t), p.hello())
			c.connect()
			whole := c.sealed(typeApplicationData, []byte("data"))
			for cut := range len(whole) + 1 {
				c := begin(t, newConfig(t), p.hello())
				c.connect()
				c.echo([]byte("all the data that came"), 100)
				c.send(c.sealed(typeApplicationData, []byte("data"))[:cut])
				if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil || c.err != nil {
					t.Fatal(err, c.err)
				}
				if err := <-c.ended; !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("cut at byte %d: the server ended with %v", cut, err)
				}
			}
		})
	}
}
