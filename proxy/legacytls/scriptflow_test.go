package legacytls

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// sayChange sends ChangeCipherSpec and protects what follows.
func (c *script) sayChange() {
	c.record(typeChangeCipherSpec, []byte{1})
	if c.err == nil {
		c.out = c.next[1]
	}
}

func (c *script) finished(label string) []byte {
	verify := make([]byte, finishedLen)
	if c.err == nil {
		c.prf().fill(verify, c.master, label, c.transcript())
	}
	return handshakeMessage(msgFinished, verify)
}

func (c *script) sayFinished() { c.say(c.finished("client finished")) }

// hearFinished reads the server's ticket if one is to come, ChangeCipherSpec
// and Finished.
func (c *script) hearFinished() {
	if c.err == nil && c.peek() == typeHandshake {
		ticket := c.hear(msgNewSessionTicket)
		if len(ticket) < 6 {
			c.fail("malformed NewSessionTicket")
			return
		}
		c.answer.ticket = ticket[6:]
	}
	c.hearChange()
	want := c.finished("server finished")
	if got := c.hear(msgFinished); c.err == nil && !bytes.Equal(got, want[messageHeaderLen:]) {
		c.fail("the server's Finished does not verify")
	}
}

// hearChange reads ChangeCipherSpec.
func (c *script) hearChange() {
	if typ, data := c.read(); c.err == nil && (typ != typeChangeCipherSpec || !bytes.Equal(data, []byte{1})) {
		c.fail("a record of type %d in the place of ChangeCipherSpec", typ)
	}
	if c.err != nil {
		return
	}
	c.in = c.next[0]
}

// peek is the type of the next record.
func (c *script) peek() byte {
	b, err := c.r.Peek(1)
	if err != nil {
		c.fail("waiting for a record: %w", err)
		return 0
	}
	return b[0]
}

// toFlight goes to where the server waits for the key exchange.
func (c *script) toFlight() {
	c.sayHello()
	c.hearHello()
	c.hearFlight()
}

// toFinished goes to where the server waits for Finished.
func (c *script) toFinished() {
	c.toFlight()
	c.sayKeyExchange()
	c.sayChange()
}

// connect does a whole handshake, an abbreviated one if the server resumes a
// session, whose master secret is there already; it says whether it was.
func (c *script) connect() (resumed bool) {
	c.sayHello()
	c.hearHello()
	if c.err == nil && len(c.messages) == 0 && c.peek() == typeChangeCipherSpec {
		c.deriveKeys()
		c.hearFinished()
		c.sayChange()
		c.sayFinished()
		return true
	}
	c.hearFlight()
	c.sayKeyExchange()
	c.sayChange()
	c.sayFinished()
	c.hearFinished()
	return false
}

// echo sends data and expects it back, in records of at most most bytes.
func (c *script) echo(data []byte, most int) {
	for part := range slices.Chunk(data, most) {
		c.record(typeApplicationData, part)
	}
	c.hearData(data)
}

// hearData expects data, in any number of records.
func (c *script) hearData(data []byte) {
	var got []byte
	for c.err == nil && len(got) < len(data) {
		typ, more := c.read()
		if c.err == nil && typ != typeApplicationData {
			c.fail("a record of type %d in the place of data", typ)
		}
		got = append(got, more...)
	}
	if c.err == nil && !bytes.Equal(got, data) {
		c.fail("%d bytes came back, and they differ", len(got))
	}
}

// close closes in order, and expects the same of the server.
func (c *script) close() {
	c.t.Helper()
	c.record(typeAlert, []byte{levelWarning, 0})
	if typ, _ := c.read(); !errors.Is(c.err, errEnd) {
		c.t.Errorf("instead of close_notify came a record of type %d, %v", typ, c.err)
	}
	if err := <-c.ended; err != nil {
		c.t.Errorf("the server ended with %v", err)
	}
}

// wantAlert wants the connection to have ended by a fatal alert of the server,
// and nothing after it.
func (c *script) wantAlert(want alert) {
	c.t.Helper()
	for c.err == nil {
		c.read()
	}
	var got *AlertError
	if !errors.As(c.err, &got) || alert(got.Description) != want {
		c.t.Errorf("the client saw %v, want the alert %v", c.err, want)
		return
	}
	var fault *ProtocolError
	if err := <-c.ended; !errors.As(err, &fault) || alert(fault.Description) != want {
		c.t.Errorf("the server ended with %v, want the alert %v", err, want)
	}
	c.end()
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Errorf("after the alert came %x, %v", rest, err)
	}
}

// end ends what the server may send, when it has ended.
func (c *script) end() {
	if half, ok := c.server.conn.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			c.t.Errorf("closing: %v", err)
		}
	}
}
