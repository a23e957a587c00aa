package legacytls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"math/big"
	"slices"
	"testing"
)

// A misstep is what a client does from the beginning, and the alert that it
// gets.
type misstep struct {
	do    func(c *script)
	want  alert
	hello hello // zero means RSA with AES-128 at TLS 1.0
}

// key is a ClientKeyExchange that may be of another length than its body says.
func (c *script) keyMessage() []byte {
	_, body := c.keyExchange()
	return handshakeMessage(msgClientKeyExchange, body)
}

// disorder is what comes at the wrong time before ChangeCipherSpec (RFC 5246 section 7.3).
func disorder() map[string]misstep {
	instead := func(typ byte) func(*script) {
		return func(c *script) {
			c.toFlight()
			c.record(typeHandshake, handshakeMessage(typ, []byte("body")))
		}
	}
	steps := map[string]func(c *script){
		"a second ClientHello":              func(c *script) { c.toFlight(); c.sayHello() },
		"two hellos at once":                func(c *script) { c.send(append(c.hello.wire(), c.hello.wire()...)); c.hearHello(); c.hearFlight() },
		"Certificate":                       instead(msgCertificate),
		"CertificateVerify":                 instead(15),
		"Finished before ClientKeyExchange": instead(msgFinished),
		"a message of no known type":        instead(99),
		"ChangeCipherSpec before ClientKeyExchange": func(c *script) {
			c.toFlight()
			c.record(typeChangeCipherSpec, []byte{1})
		},
		"ChangeCipherSpec inside of ClientKeyExchange": func(c *script) {
			c.toFlight()
			c.record(typeHandshake, c.keyMessage()[:100])
			c.record(typeChangeCipherSpec, []byte{1})
		},
		"ClientKeyExchange twice": func(c *script) {
			c.toFlight()
			c.sayKeyExchange()
			c.record(typeHandshake, c.keyMessage())
		},
	}
	return unexpected(steps)
}

// disorderLate is what comes at the wrong time after ClientKeyExchange.
func disorderLate() map[string]misstep {
	return unexpected(map[string]func(c *script){
		"CertificateVerify before ChangeCipherSpec": func(c *script) {
			c.toFlight()
			c.sayKeyExchange()
			c.record(typeHandshake, handshakeMessage(15, []byte("body")))
		},
		"bytes after ClientKeyExchange in its record": func(c *script) {
			c.toFlight()
			c.record(typeHandshake, append(c.keyMessage(), msgFinished))
			c.record(typeChangeCipherSpec, []byte{1})
		},
		"Finished without ChangeCipherSpec": func(c *script) {
			c.toFlight()
			c.sayKeyExchange()
			c.sayFinished()
		},
		"bytes after Finished in its record": func(c *script) {
			c.toFinished()
			c.record(typeHandshake, append(c.finished("client finished"), msgClientHello))
		},
		"a hello after Finished in its record": func(c *script) {
			c.toFinished()
			c.record(typeHandshake, append(c.finished("client finished"), c.hello.transcript()...))
		},
		"ChangeCipherSpec twice": func(c *script) { c.toFinished(); c.record(typeChangeCipherSpec, []byte{1}) },
		"ChangeCipherSpec inside of Finished": func(c *script) {
			c.toFinished()
			c.record(typeHandshake, []byte{msgFinished, 0})
			c.record(typeChangeCipherSpec, []byte{1})
		},
		"ClientHello in the place of Finished": func(c *script) {
			c.toFinished()
			c.record(typeHandshake, c.hello.transcript())
		},
		"data before ClientKeyExchange": func(c *script) { c.toFlight(); c.record(typeApplicationData, []byte("x")) },
		"data before ChangeCipherSpec": func(c *script) {
			c.toFlight()
			c.sayKeyExchange()
			c.record(typeApplicationData, []byte("x"))
		},
		"data before Finished":       func(c *script) { c.toFinished(); c.record(typeApplicationData, []byte("x")) },
		"empty data before Finished": func(c *script) { c.toFinished(); c.record(typeApplicationData, nil) },
		"data inside of Finished": func(c *script) {
			c.toFinished()
			c.record(typeHandshake, []byte{msgFinished, 0})
			c.record(typeApplicationData, []byte("x"))
		},
	})
}

// unexpected are steps that get the alert of that name.
func unexpected(steps map[string]func(c *script)) map[string]misstep {
	all := map[string]misstep{}
	for name, do := range steps {
		all[name] = misstep{do: do, want: alertUnexpectedMessage}
	}
	return all
}

// misshapen is what has a wrong form or value.
func misshapen() map[string]misstep {
	change := func(data ...byte) func(*script) {
		return func(c *script) {
			c.toFlight()
			c.sayKeyExchange()
			c.record(typeChangeCipherSpec, data)
		}
	}
	finished := func(change func(verify []byte) []byte) func(*script) {
		return func(c *script) {
			c.toFinished()
			c.record(typeHandshake, handshakeMessage(msgFinished, change(c.finished("client finished")[messageHeaderLen:])))
		}
	}
	other := func(c *script) {
		c.toFinished()
		c.say(c.finished("server finished"))
	}
	all := map[string]misstep{
		"ChangeCipherSpec of 2":           {do: change(2), want: alertDecodeError},
		"ChangeCipherSpec of two bytes":   {do: change(1, 1), want: alertDecodeError},
		"ChangeCipherSpec without a byte": {do: change(), want: alertDecodeError},
		"Finished of the other side":      {do: other, want: alertDecryptError},
		"Finished cut short":              {do: finished(func(v []byte) []byte { return v[:11] }), want: alertDecodeError},
		"Finished too long":               {do: finished(func(v []byte) []byte { return append(v, 0) }), want: alertDecodeError},
		"Finished without content":        {do: finished(func([]byte) []byte { return nil }), want: alertDecodeError},
		"Finished over another transcript": {do: func(c *script) {
			c.toFlight()
			c.sayKeyExchange()
			c.said[20] ^= 1
			c.sayChange()
			c.sayFinished()
		}, want: alertDecryptError},
		"a message too long": {
			do: func(c *script) { c.toFlight(); c.record(typeHandshake, []byte{msgClientKeyExchange, 0, 0x40, 1}) }, want: alertIllegalParameter},
		"a record too long": {
			do: func(c *script) { c.toFlight(); c.record(typeHandshake, make([]byte, maxPlaintext+1)) }, want: alertRecordOverflow},
		"a record of another version": {
			do: func(c *script) { c.toFlight(); c.out.version++; c.sayKeyExchange() }, want: alertProtocolVersion},
		"a record of another version, after ChangeCipherSpec": {
			do: func(c *script) { c.toFinished(); c.out.version++; c.sayFinished() }, want: alertProtocolVersion},
		"an empty handshake record": {do: func(c *script) { c.toFlight(); c.record(typeHandshake, nil) }, want: alertUnexpectedMessage},
		"an empty handshake record, after ChangeCipherSpec": {
			do: func(c *script) { c.toFinished(); c.record(typeHandshake, nil) }, want: alertUnexpectedMessage},
		"too many warnings": {do: func(c *script) {
			c.toFlight()
			for range maxUseless + 1 {
				c.record(typeAlert, []byte{levelWarning, 90})
			}
		}, want: alertUnexpectedMessage},
	}
	for i := range finishedLen {
		all["Finished with byte "+string(rune('a'+i))+" wrong"] = misstep{
			do: finished(func(v []byte) []byte { v[i] ^= 0x10; return v }), want: alertDecryptError}
	}
	return all
}

// keyShares are public keys that are none (RFC 8422 section 5.11, RFC 5246
// section 8.1.2).
func keyShares() map[string]misstep {
	ecdhe := func(curve tls.CurveID) hello {
		return hello{suites: []uint16{ecdheAES128}, extensions: []extension{groupsOf(curve)}}
	}
	body := func(change func(c *script, body []byte) []byte) func(*script) {
		return func(c *script) {
			c.toFlight()
			premaster, b := c.keyExchange()
			if c.err == nil {
				c.sayKey(premaster, change(c, b))
			}
		}
	}
	all := map[string]misstep{}
	for name, change := range map[string]func(b []byte) []byte{
		"a compressed point":       func(b []byte) []byte { return vec8(append([]byte{2 + b[65]&1}, b[2:34]...)) },
		"a point off the curve":    func(b []byte) []byte { b[65] ^= 1; return b },
		"a point at infinity":      func([]byte) []byte { return []byte{1, 0} },
		"a point without bytes":    func([]byte) []byte { return []byte{0} },
		"a point cut short":        func(b []byte) []byte { return vec8(b[1:65]) },
		"a coordinate too large":   func(b []byte) []byte { return vec8(append([]byte{4}, bytes.Repeat([]byte{0xff}, 64)...)) },
		"a point of another curve": func([]byte) []byte { return vec8(append([]byte{4}, make([]byte, 96)...)) },
	} {
		all["ECDHE: "+name] = misstep{body(func(_ *script, b []byte) []byte { return change(b) }), alertIllegalParameter, ecdhe(tls.CurveP256)}
	}
	for name, point := range map[string][]byte{"zero": make([]byte, 32), "one": append([]byte{1}, make([]byte, 31)...),
		"a short one": make([]byte, 31)} {
		all["X25519: "+name] = misstep{body(func(*script, []byte) []byte { return vec8(point) }), alertIllegalParameter, ecdhe(tls.X25519)}
	}
	for name, of := range map[string]func(p *big.Int) *big.Int{
		"0": func(*big.Int) *big.Int { return new(big.Int) }, "1": func(*big.Int) *big.Int { return big.NewInt(1) },
		"p-1": func(p *big.Int) *big.Int { return p.Sub(p, big.NewInt(1)) }, "p": func(p *big.Int) *big.Int { return p },
		"p+1": func(p *big.Int) *big.Int { return p.Add(p, big.NewInt(1)) }, "p²": func(p *big.Int) *big.Int { return p.Mul(p, p) },
	} {
		value := func(c *script, _ []byte) []byte { p, _ := c.prime(); return vec16(of(p).Bytes()) }
		all["DHE: "+name] = misstep{body(value), alertIllegalParameter, hello{suites: []uint16{dheAES128}}}
	}
	for name, suite := range map[string]uint16{"RSA": rsaAES128, "ECDHE": ecdheAES128, "DHE": dheAES128} {
		h := hello{suites: []uint16{suite}}
		all[name+": bytes after it"] = misstep{body(func(_ *script, b []byte) []byte { return append(b, 0) }), alertDecodeError, h}
		all[name+": cut short"] = misstep{body(func(_ *script, b []byte) []byte { return b[:len(b)-1] }), alertDecodeError, h}
		all[name+": nothing"] = misstep{body(func(*script, []byte) []byte { return nil }), alertDecodeError, h}
	}
	all["RSA: without its length, like SSL 3.0"] = misstep{do: body(func(_ *script, b []byte) []byte { return b[2:] }),
		want: alertDecodeError}
	return all
}

// A client that errs in its part of the handshake gets the alert that the RFC
// says.
func TestRefusedHandshakes(t *testing.T) {
	t.Parallel()
	all := disorder()
	maps.Copy(all, disorderLate())
	maps.Copy(all, misshapen())
	maps.Copy(all, keyShares())
	for name, row := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, newConfig(t), row.hello)
			row.do(c)
			c.wantAlert(row.want)
		})
	}
}

// An alert of the client ends the handshake at each of its stages, and is not
// answered.
func TestAlertsInHandshake(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]func(c *script){
		"at first":           func(*script) {},
		"after the flight":   (*script).toFlight,
		"after the key":      func(c *script) { c.toFlight(); c.sayKeyExchange() },
		"before Finished":    (*script).toFinished,
		"in an open message": func(c *script) { c.toFinished(); c.record(typeHandshake, []byte{msgFinished}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, data := range [][]byte{{levelFatal, 48}, {levelFatal, 0}, {levelWarning, 0}} {
				c := begin(t, newConfig(t), hello{})
				to(c)
				c.record(typeAlert, data)
				err := <-c.ended
				var told *AlertError
				if data[1] != 0 && (!errors.As(err, &told) || told.Description != data[1]) || data[1] == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("after %v the server ended with %v", data, err)
				}
				c.end()
				if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
					t.Errorf("after %v came %x, %v", data, rest, err)
				}
			}
		})
	}
}

// A client that does not accept ServerHello may say so in another version than the one
// in it.
func TestAlertsInAnotherVersion(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{versionSSL30, tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
		c := begin(t, newConfig(t), hello{version: tls.VersionTLS12})
		c.toFlight()
		c.out.version = version
		c.record(typeAlert, []byte{levelFatal, uint8(alertProtocolVersion)})
		var told *AlertError
		if err := <-c.ended; !errors.As(err, &told) || told.Description != uint8(alertProtocolVersion) {
			t.Errorf("after an alert of version %04x the server ended with %v", version, err)
		}
	}
}

// Warnings between the messages, as many as are allowed, change nothing.
func TestWarningsInHandshake(t *testing.T) {
	t.Parallel()
	c := begin(t, newConfig(t), hello{})
	warn := func() { c.record(typeAlert, []byte{levelWarning, 90}) }
	warn()
	c.toFlight()
	for range maxUseless / 2 {
		warn()
	}
	c.sayKeyExchange()
	warn()
	c.sayChange()
	warn()
	c.sayFinished()
	c.hearFinished()
	c.echo([]byte("on it goes"), 3)
	if c.err != nil {
		t.Fatal(c.err)
	}
	c.close()
	if !slices.Equal(c.warnings, nil) {
		t.Errorf("warnings came: %v", c.warnings)
	}
}
