package e2e

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// BenchmarkStart starts the program again and again, with so many clients in its state
// directory, until it has answered its first client: with one byte of an answer to
// CONNECT. Then it is killed, so that the processor time is that of a start.
func BenchmarkStart(b *testing.B) {
	bin, err := program()
	if err != nil {
		b.Fatal(err)
	}
	for _, clients := range []int{0, 1000, 10_000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			s := startup{bin: bin, dir: b.TempDir(), address: testenv.FreeAddress(b)}
			s.run(b) // makes the CA
			s.save(b, clients)
			var wait, used time.Duration
			b.ResetTimer()
			for range b.N {
				w, u := s.run(b)
				wait, used = wait+w, used+u
			}
			b.ReportMetric(float64(wait.Milliseconds())/float64(b.N), "ms-to-first-byte")
			b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// A startup is a program that is started.
type startup struct{ bin, dir, address string }

// run starts the program, and returns how long it took to the first byte, and its processor
// time.
func (s *startup) run(b *testing.B) (wait, used time.Duration) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), s.bin, "serve")
	cmd.Env = []string{"HOME=" + s.dir, "TLSLIFT_STATE_DIR=" + s.dir, "TLSLIFT_LISTEN=proxy://" + s.address, "TLSLIFT_ADMIN_LISTEN="}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	err := firstByte(s.address)
	wait = time.Since(began)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if err != nil {
		b.Fatal(err)
	}
	return wait, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// firstByte connects as soon as that is possible, and reads a byte of an answer. It tries
// again and again: how soon another process listens is what is measured.
func firstByte(address string) error {
	var conn net.Conn
	var err error
	for deadline := time.Now().Add(testenv.Patience); ; time.Sleep(time.Millisecond) {
		if conn, err = net.Dial("tcp", address); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "CONNECT not.allowed.example:443 HTTP/1.1\r\nHost: not.allowed.example\r\n\r\n"); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}

// save writes a state with so many clients.
func (s *startup) save(b *testing.B, clients int) {
	b.Helper()
	all := make([]inventory.Client, clients)
	now := time.Now()
	for i := range all {
		addr := [4]byte{10}
		binary.BigEndian.PutUint16(addr[2:], uint16(i))
		a := netip.AddrFrom4(addr)
		all[i] = inventory.Client{
			Client: a.String(), Address: a, FirstSeen: now.Add(-time.Hour), LastSeen: now, Offered: "TLS 1.0", SendsSNI: true,
			JA3: fmt.Sprintf("%032x", i%50), JA4: fmt.Sprintf("t10i210100_%012x_cba987654321", i%50), Rule: record.RuleTLSVersion,
			Version: "TLS 1.0", CipherSuite: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", KeyExchange: "ECDHE", Protocols: []string{"smtp"},
			Destinations: []string{"smtp.office365.com:587"}, Listeners: []string{"smtp://0.0.0.0:2525"},
			Outcomes: map[record.Outcome]uint64{record.OutcomeLifted: 7}, LastLifted: now, LastLegacy: now, LastGood: now,
			Accepted: 7, LastAccepted: now, BytesFromClient: 1 << 20, BytesToClient: 1 << 12,
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "clients.json"), inventory.State{Clients: all}.Encode(), 0o600); err != nil {
		b.Fatal(err)
	}
}
