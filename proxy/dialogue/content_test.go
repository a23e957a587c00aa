package dialogue

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// An endless client sends the same content for ever.
type endless struct {
	net.Conn
	content string
}

func (c endless) Read(p []byte) (int, error) { return copy(p, c.content), nil }

// reading returns a session in the content of a mail, whose client sends 16 KiB of it each
// time.
func reading(tb testing.TB, isGated bool) net.Conn {
	tb.Helper()
	s := New(record.ProtocolSMTP, false)
	if isGated {
		s.Gate(Gate{Ask: func(string, bool) error { return nil }})
	}
	down := s.Client(&pieces{sent: []string{"DATA\r\n"}}).(*clientConn)
	if _, err := down.Read(make([]byte, 100)); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.WriteString(s.Client(&pieces{}), "354 go\r\n"); err != nil {
		tb.Fatal(err)
	}
	down.Conn = endless{content: strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 16<<10/78)}
	return down
}

// The content of a mail is looked at where it is, and not copied.
func TestContentIsNotCopied(t *testing.T) {
	buf := make([]byte, 16<<10)
	for name, isGated := range map[string]bool{"watched": false, "gated": true} {
		down := reading(t, isGated)
		if n := testing.AllocsPerRun(100, func() { _, _ = down.Read(buf) }); n > 0 {
			t.Errorf("%s: allocates %v times for each piece", name, n)
		}
	}
}

// BenchmarkRead is what it costs to look at the content of a mail, with and without a gate.
func BenchmarkRead(b *testing.B) {
	for name, isGated := range map[string]bool{"watched": false, "gated": true} {
		b.Run(name, func(b *testing.B) {
			down, buf := reading(b, isGated), make([]byte, 16<<10)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := down.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
