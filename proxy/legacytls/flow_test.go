package legacytls

import (
	"bytes"
	"crypto/tls"
	"net"
	"slices"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A batchConn sends what was written only when it has to wait for an answer, in
// one piece.
type batchConn struct {
	net.Conn
	unsent []byte
}

func (c *batchConn) Write(p []byte) (int, error) {
	c.unsent = append(c.unsent, p...)
	return len(p), nil
}

func (c *batchConn) Read(p []byte) (int, error) {
	if _, err := c.Conn.Write(c.unsent); err != nil {
		return 0, err
	}
	c.unsent = nil
	return c.Conn.Read(p)
}

// inBatches is a client whose records of one step come all at once.
func inBatches(t *testing.T, config *Config, h hello) *script {
	near, far := testenv.Pipe(t)
	c := onConn(t, &batchConn{Conn: near}, h)
	c.ended, c.server = serve(far, config)
	return c
}

// Everything from ClientKeyExchange on may come at once, and data after it
// before the server has said Finished (RFC 7918), of a new session and of a
// resumed one.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		config := at(t, newSessions(), noon)
		c := inBatches(t, config, p.hello())
		c.toFinished()
		c.sayFinished()
		c.record(typeApplicationData, []byte("too early, but "))
		c.hearFinished()
		c.record(typeApplicationData, []byte("welcome"))
		c.hearData([]byte("too early, but welcome"))
		if c.err != nil {
			t.Fatalf("%s: %v", p.name, c.err)
		}
		c.close()
		h := p.hello()
		h.session = c.answer.session
		again := inBatches(t, config, h)
		again.master = c.master
		if !again.connect() {
			t.Errorf("%s: the session is not resumed: %v", p.name, again.err)
		}
		again.echo(bytes.Repeat([]byte("on it goes "), 100), 9)
		if again.err != nil {
			t.Fatalf("%s: %v", p.name, again.err)
		}
		again.close()
	}
}

// Config.SplitRecords puts the first byte of a write into a record of its own
// where the cipher is CBC at TLS 1.0, and nowhere else; without it nothing is
// split.
func TestSplitRecords(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		for _, split := range []bool{false, true} {
			config := newConfig(t)
			config.SplitRecords = split
			c := begin(t, config, p.hello())
			c.connect()
			c.record(typeApplicationData, []byte("data"))
			want := []string{"data"}
			if split && p.version == tls.VersionTLS10 && p.suite != rsaRC4MD5 {
				want = []string{"d", "ata"}
			}
			var got []string
			for range want {
				_, data := c.read()
				got = append(got, string(data))
			}
			if !slices.Equal(got, want) || c.err != nil {
				t.Errorf("%s, split=%v: the records are %q, %v", p.name, split, got, c.err)
			}
			c.close()
		}
	}
}

// The protocol of the configuration is agreed on if it is offered, and only
// then.
func TestProtocol(t *testing.T) {
	t.Parallel()
	offer := extension{extALPN, vec16(slices.Concat(vec8([]byte("pop3")), vec8([]byte("imap"))))}
	for name, row := range map[string]struct {
		config string
		hello  hello
		want   string
	}{
		"offered":      {"imap", hello{extensions: []extension{offer}}, "imap"},
		"not offered":  {"http/1.1", hello{extensions: []extension{offer}}, ""},
		"none offered": {"imap", hello{}, ""},
		"none wanted":  {"", hello{extensions: []extension{offer}}, ""},
	} {
		config := newConfig(t)
		config.Protocol = row.config
		c := begin(t, config, row.hello)
		c.connect()
		if c.err != nil {
			t.Fatalf("%s: %v", name, c.err)
		}
		var want []byte
		if row.want != "" {
			want = vec16(vec8([]byte(row.want)))
		}
		if got := c.agreed().NegotiatedProtocol; got != row.want || !bytes.Equal(c.answer.extensions[extALPN], want) {
			t.Errorf("%s: the protocol is %q, the answer %x", name, got, c.answer.extensions[extALPN])
		}
		c.close()
	}
}

// A client that resumes has to prove that it knows the master secret, and gets
// the same alerts as in a full handshake.
func TestRefusedResumptions(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]misstep{
		"another master secret": {do: func(c *script) { c.master[0] ^= 1; c.deriveKeys(); c.sayChange(); c.sayFinished() },
			want: alertBadRecordMAC},
		"another transcript": {do: func(c *script) { c.deriveKeys(); c.said[10] ^= 1; c.sayChange(); c.sayFinished() },
			want: alertDecryptError},
		"no ChangeCipherSpec": {do: func(c *script) { c.deriveKeys(); c.sayFinished() }, want: alertUnexpectedMessage},
		"data in place of Finished": {do: func(c *script) { c.deriveKeys(); c.sayChange(); c.record(typeApplicationData, []byte("x")) },
			want: alertUnexpectedMessage},
		"ClientKeyExchange": {do: func(c *script) { c.record(typeHandshake, handshakeMessage(16, make([]byte, 8))) },
			want: alertUnexpectedMessage},
	} {
		for _, p := range protections {
			config := at(t, newSessions(), noon)
			before, _ := visit(t, config, p.hello(), nil)
			h := p.hello()
			h.session = before.answer.session
			c := begin(t, config, h)
			c.master = bytes.Clone(before.master)
			c.sayHello()
			c.hearHello()
			row.do(c)
			c.master = before.master
			c.deriveKeys()
			c.hearChange()
			c.wantAlert(row.want)
			if _, resumed := visit(t, config, h, before); resumed {
				t.Errorf("%s, %s: the session goes on", p.name, name)
			}
		}
	}
}
