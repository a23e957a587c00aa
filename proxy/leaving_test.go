package proxy

import (
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// Only so many refused clients have time to read why they are. When there are more, these
// get their answer, too, but are not waited for.
func TestRefusedClientsDoNotPileUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most, clients = 3, 10
		r := refuser{maxLeaving: most}
		began := time.Now()
		var mu sync.Mutex
		atOnce, answered := 0, 0
		var all sync.WaitGroup
		for range clients {
			near, far := net.Pipe()
			all.Go(func() {
				c := &conn{
					Conn: relay.NewConn(near), rec: &record.Record{}, out: &outbound{},
					socket: &socket{url: listener.URL{Scheme: listener.SchemeTLS}},
				}
				r.refuse(c, record.Fail(record.ReasonTooManyConnections, nil))
				mu.Lock()
				defer mu.Unlock()
				if time.Since(began) == 0 {
					atOnce++
				}
			})
			all.Go(func() {
				if _, err := io.ReadFull(far, make([]byte, 7)); err == nil { // an alert
					mu.Lock()
					defer mu.Unlock()
					answered++
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if atOnce != clients-most || answered != clients || r.leaving.Load() != 0 {
			t.Errorf("%d of %d leave at once, %d are answered, %d stay", atOnce, clients, answered, r.leaving.Load())
		}
		if waited := time.Since(began); waited != relay.LingerTime {
			t.Errorf("the others have had %v, want %v", waited, relay.LingerTime)
		}
	})
}
