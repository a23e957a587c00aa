package legacytls

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
)

// longChain has a chain that fits into no small record.
func longChain(t testing.TB) *Config {
	config := newConfig(t)
	leaf := config.Certificate.Certificate[0]
	config.Certificate = &tls.Certificate{
		Certificate: slices.Repeat([][]byte{leaf}, 8), PrivateKey: config.Certificate.PrivateKey, Leaf: config.Certificate.Leaf,
	}
	return config
}

func fragmentOf(code byte) extension { return extension{extMaxFragmentLength, []byte{code}} }

// Whatever the maximum fragment length, no record has more, in the handshake
// neither, and those that are full have as much (RFC 6066 section 4).
func TestMaxFragmentLength(t *testing.T) {
	t.Parallel()
	for code, limit := range map[byte]int{1: 512, 2: 1024, 3: 2048, 4: 4096} {
		for _, p := range protections {
			t.Run(fmt.Sprintf("%d/%s", limit, p.name), func(t *testing.T) {
				t.Parallel()
				c := begin(t, longChain(t), p.hello(fragmentOf(code)))
				c.toFlight()
				if c.largest != limit {
					t.Errorf("in the handshake, the largest record has %d bytes", c.largest)
				}
				c.largest = 0
				c.sayKeyExchange()
				c.sayChange()
				c.sayFinished()
				c.hearFinished()
				c.echo(bytes.Repeat([]byte("0123456789abcdef"), 1<<10), limit)
				if c.err != nil {
					t.Fatal(c.err)
				}
				if c.largest != limit {
					t.Errorf("the largest record has %d bytes", c.largest)
				}
				if !bytes.Equal(c.answer.extensions[extMaxFragmentLength], []byte{code}) {
					t.Errorf("the extension is answered by %x", c.answer.extensions[extMaxFragmentLength])
				}
				c.record(typeApplicationData, make([]byte, limit+1))
				c.wantAlert(alertRecordOverflow)
			})
		}
	}
}

// Without the extension records are as large as they may be, and no larger.
func TestLargestRecords(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := begin(t, newConfig(t), p.hello())
			c.connect()
			c.echo(make([]byte, 4*maxPlaintext), maxPlaintext)
			if c.err != nil || c.largest != maxPlaintext {
				t.Fatalf("the largest record has %d bytes, %v", c.largest, c.err)
			}
			c.close()
		})
	}
}

// The handshake obeys the limit for what the client sends, too.
func TestMaxFragmentLengthOfClient(t *testing.T) {
	t.Parallel()
	c := begin(t, newConfig(t), hello{extensions: []extension{fragmentOf(1)}})
	c.toFlight()
	c.record(typeHandshake, handshakeMessage(msgClientKeyExchange, make([]byte, 509)))
	c.wantAlert(alertRecordOverflow)
}

// A record size that was set limits what is sent, in the handshake too, and what the
// client asks for counts if it is less. What the client sends has no limit.
func TestRecordSize(t *testing.T) {
	t.Parallel()
	for _, p := range protections {
		for _, asked := range []byte{0, 1, 4} {
			limit := 1000
			h := p.hello()
			if asked != 0 {
				h = p.hello(fragmentOf(asked))
				limit = min(limit, maxFragments[asked])
			}
			t.Run(fmt.Sprintf("%s/%d", p.name, asked), func(t *testing.T) {
				t.Parallel()
				config := longChain(t)
				config.RecordSize = 1000
				c := begin(t, config, h)
				c.toFlight()
				handshake := c.largest
				c.sayKeyExchange()
				c.sayChange()
				c.sayFinished()
				c.hearFinished()
				c.largest = 0
				most := maxPlaintext
				if asked != 0 {
					most = maxFragments[asked]
				}
				c.echo(bytes.Repeat([]byte("0123456789abcdef"), 4<<10), most)
				if c.err != nil || handshake != limit || c.largest != limit {
					t.Fatalf("the largest records have %d and %d bytes, want %d; %v", handshake, c.largest, limit, c.err)
				}
				c.close()
			})
		}
	}
}
