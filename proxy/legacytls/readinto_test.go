package legacytls

import (
	"bytes"
	"crypto/rand"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"testing"
)

// afterHandshake returns the server's side of a connection whose handshake is over and whose
// client has sent a stream, and what seals that.
func afterHandshake(t *testing.T, p parameters, macLast bool, stream io.Reader) (*Conn, *protection) {
	t.Helper()
	s, random := suiteByID(p.suite), make([]byte, 300)
	_, _ = rand.Read(random)
	k := keys{random[:s.macLen()], random[100 : 100+s.keyLen], random[200 : 200+s.ivLen]}
	client, err := newProtection(p.version, s, k, false)
	if err != nil {
		t.Fatal(err)
	}
	c := Server(&readerConn{Reader: stream}, &Config{})
	if c.in, err = newProtection(p.version, s, k, true); err != nil {
		t.Fatal(err)
	}
	c.in.macLast, client.macLast = macLast, macLast
	c.done.Store(true)
	return c, client
}

// sealAll returns the records of data, of random sizes and often of the largest.
func sealAll(t *testing.T, p *protection, r *mathrand.Rand, data []byte) []byte {
	t.Helper()
	var stream []byte
	for len(data) > 0 {
		n := min(len(data), []int{maxPlaintext, 1 + r.IntN(maxPlaintext), 1 + r.IntN(50)}[r.IntN(3)])
		var err error
		if stream, err = p.seal(stream, typeApplicationData, data[:n]); err != nil {
			t.Fatal(err)
		}
		if data = data[n:]; r.IntN(5) == 0 {
			if stream, err = p.seal(stream, typeApplicationData, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	return stream
}

// The bytes are the same whatever the sizes of records and of reads. Where records fit into
// what is read into, nothing of them is in the buffer that other connections get.
func TestReadsOfAnySize(t *testing.T) {
	t.Parallel()
	r := mathrand.New(mathrand.NewPCG(5, 6))
	all := make([]byte, 400<<10)
	_, _ = rand.Read(all)
	for _, p := range protections {
		macLast := []bool{false}
		if suiteByID(p.suite).block != nil {
			macLast = append(macLast, true)
		}
		for _, macLast := range macLast {
			for _, most := range []int{100, maxPlaintext, 5 * maxPlaintext} {
				data := all
				if strings.Contains(p.name, "3DES") { // which is very slow with the race detector
					data = all[:100<<10]
				}
				var stream bytes.Buffer
				c, client := afterHandshake(t, p, macLast, &stream)
				stream.Write(sealAll(t, client, r, data))
				var got []byte
				for len(got) < len(data) {
					into := make([]byte, most)
					if most == 100 {
						into = into[:1+r.IntN(most)]
					}
					n, err := c.Read(into)
					if err != nil || n == 0 {
						t.Fatalf("%s: after %d bytes: %d, %v", p.name, len(got), n, err)
					}
					if got = append(got, into[:n]...); most > 2*maxPlaintext && c.input.opened {
						t.Fatalf("%s: a record that fits was opened in the buffer", p.name)
					}
				}
				if !bytes.Equal(got, data) {
					t.Errorf("%s: reads of at most %d bytes give others", p.name, most)
				}
			}
		}
	}
}

// What was whole before a forged record is read, and nothing of that record.
func TestReadBeforeForged(t *testing.T) {
	t.Parallel()
	good, bad := bytes.Repeat([]byte("good"), 1000), bytes.Repeat([]byte("evil"), 1000)
	for _, p := range protections {
		for _, size := range []int{1000, maxPlaintext, 5 * maxPlaintext} {
			var stream bytes.Buffer
			c, client := afterHandshake(t, p, false, &stream)
			record, err := client.seal(nil, typeApplicationData, good)
			if err != nil {
				t.Fatal(err)
			}
			forged, err := client.seal(nil, typeApplicationData, bad)
			if err != nil {
				t.Fatal(err)
			}
			forged[len(forged)-20] ^= 1
			stream.Write(append(record, forged...))
			got := make([]byte, 0, 2*len(good))
			for into := make([]byte, size); err == nil; {
				var n int
				n, err = c.Read(into)
				got = append(got, into[:n]...)
			}
			if !bytes.Equal(got, good) {
				t.Errorf("%s: %d bytes are read, want %d", p.name, len(got), len(good))
			}
			if n, again := c.Read(make([]byte, size)); n != 0 || again == nil {
				t.Errorf("%s: after the error, %d bytes are read, %v", p.name, n, again)
			}
		}
	}
}
