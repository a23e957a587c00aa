package model

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// An end is one of the two ends of a session: the client's or the destination's. It
// reads all the time, and keeps what it has got and sent.
type end struct {
	raw  *net.TCPConn
	conn net.Conn // inside its TLS, if there is any
	sent []byte

	changed *sync.Cond
	got     []byte
	read    int  // of got, by line
	base    int  // of got, where the session begins
	greets  bool // as an SMTP server does
	over    bool
	err     error         // nil means an orderly end
	gone    chan struct{} // closed when nothing more comes
	pumping sync.WaitGroup
}

// begin reads from conn, which is inside raw.
func begin(raw *net.TCPConn, conn net.Conn, greets bool) *end {
	e := &end{raw: raw, conn: conn, changed: sync.NewCond(new(sync.Mutex)), greets: greets, gone: make(chan struct{})}
	e.pumping.Go(e.pump)
	return e
}

func (e *end) pump() {
	defer close(e.gone)
	buf := make([]byte, 32<<10)
	for {
		n, err := e.conn.Read(buf)
		e.changed.L.Lock()
		e.got = append(e.got, buf[:n]...)
		e.greet()
		if err != nil {
			e.over = true
			if !errors.Is(err, io.EOF) {
				e.err = err
			}
		}
		e.changed.L.Unlock()
		e.changed.Broadcast()
		if err != nil {
			return
		}
	}
}

// helloReply is what an SMTP server says to EHLO.
const helloReply = "250-mx\r\n250 8BITMIME\r\n"

// greet answers EHLO, whether it is the client's or tlslift's. The lock is held.
func (e *end) greet() {
	for e.greets {
		rest := e.got[e.read:]
		i := bytes.IndexByte(rest, '\n')
		if i < 0 || !bytes.HasPrefix(rest, []byte("EHLO ")) && !bytes.HasPrefix(rest, []byte("HELO ")) {
			return
		}
		e.read += i + 1
		_, _ = io.WriteString(e.conn, helloReply)
	}
}

// await waits until something holds; false means that it took too long.
func (e *end) await(holds func() bool) bool {
	late := false
	timer := time.AfterFunc(patience, func() {
		e.changed.L.Lock()
		late = true
		e.changed.L.Unlock()
		e.changed.Broadcast()
	})
	defer timer.Stop()
	e.changed.L.Lock()
	defer e.changed.L.Unlock()
	for {
		if holds() {
			return true
		}
		if late {
			return false
		}
		e.changed.Wait()
	}
}

// has waits for n bytes; false means that they do not come.
func (e *end) has(n int) bool {
	return e.await(func() bool { return len(e.got)-e.base >= n || e.over }) && len(e.bytes()) >= n
}

// ended waits for the end of what comes, and reports whether it was orderly.
func (e *end) ended() (orderly, ended bool) {
	ended = e.await(func() bool { return e.over })
	e.changed.L.Lock()
	defer e.changed.L.Unlock()
	return e.err == nil, ended
}

// isOver reports whether nothing more comes.
func (e *end) isOver() bool {
	e.changed.L.Lock()
	defer e.changed.L.Unlock()
	return e.over
}

// forget leaves out what has been read so far by line.
func (e *end) forget() {
	e.changed.L.Lock()
	defer e.changed.L.Unlock()
	e.base = e.read
}

// bytes returns all that has come so far.
func (e *end) bytes() []byte {
	e.changed.L.Lock()
	defer e.changed.L.Unlock()
	return bytes.Clone(e.got[e.base:])
}

// line waits for the next line; it is empty at the end.
func (e *end) line() string {
	var line string
	e.await(func() bool {
		rest := e.got[e.read:]
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			return e.over
		}
		line = string(rest[:i+1])
		e.read += i + 1
		e.greet()
		return true
	})
	return strings.TrimRight(line, "\r\n")
}

// send sends in pieces.
func (e *end) send(data []byte, pieces []int) {
	for _, n := range pieces {
		n = min(n, len(data))
		e.write(data[:n])
		data = data[n:]
	}
	e.write(data)
}

func (e *end) write(data []byte) {
	if len(data) > 0 {
		n, _ := e.conn.Write(data)
		e.sent = append(e.sent, data[:n]...)
	}
}

// A farewell is how an end leaves.
type farewell string

const (
	closes farewell = "closes"
	halves farewell = "half-closes"
	fins   farewell = "ends without close_notify"
	resets farewell = "resets"
)

var farewells = []farewell{closes, halves, fins, resets}

// isOrderly reports whether the other side has to see an orderly end.
func (f farewell) isOrderly(hasTLS bool) bool {
	return f == closes || f == halves || f == fins && !hasTLS
}

// leave leaves.
func (e *end) leave(how farewell) {
	switch how {
	case resets:
		_ = e.raw.SetLinger(0)
		_ = e.raw.Close()
	case fins:
		_ = e.raw.CloseWrite()
	case halves, closes:
		if c, ok := e.conn.(*tls.Conn); ok {
			_ = c.CloseWrite()
		}
		_ = e.raw.CloseWrite()
	}
}

// close ends it for good. What the other side has sent before is read first, so that
// no reset overtakes what was sent.
func (e *end) close() {
	_ = e.raw.Close()
	e.pumping.Wait()
}
