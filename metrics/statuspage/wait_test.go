package statuspage

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/metrics/admin"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// oneConn is a listener that has one connection, which is no socket, so that
// time in the test can be synthetic.
type oneConn struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// The admin server gives others less time than a reader may wait.
func TestTheAdminServerLetsAReaderWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pages := newSite(t, Options{Inventory: testenv.NewInventory()})
		server := admin.NewServer(admin.NewHandler(admin.Options{Metrics: http.NotFoundHandler(), Pages: pages}))
		ln := &oneConn{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
		done := make(chan error)
		go func() { done <- server.Serve(ln) }()
		ours, theirs := net.Pipe()
		ln.conns <- theirs
		began := time.Now()
		if _, err := io.WriteString(ours, "GET /api/v1/connections?after=0&wait=30s HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(ours), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK || time.Since(began) != maxWait {
			t.Errorf("status %d after %s", resp.StatusCode, time.Since(began))
		}
		_ = ours.Close()
		_ = server.Close()
		<-done
	})
}
