// Package successor hands a running service over to a new process: the next one gets
// the listening sockets, says when it is ready, and then gets what becomes of the
// connections that are still open here.
//
// A process that does not become ready changes nothing.
package successor

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

const (
	// envFD is the variable that tells a successor of its connection to the process
	// before it.
	envFD = "SUCCESSOR_FD"
	// readyLine is what a successor says when it is ready.
	readyLine = "ready\n"
	// maxEvent bounds one event; the texts of a record are bounded far below.
	maxEvent = 1 << 20
	// sendTimeout is how long an event may take to be sent.
	sendTimeout = 5 * time.Second
)

// An Event is a connection that has ended, or a client that was forgotten.
type Event struct {
	Record *record.Record // nil if a client was forgotten
	// Forgotten is the key of that client.
	Forgotten string
	// Counted means that the metrics of the sender have it.
	Counted bool
}

// A message is an event as it is sent. Err stands for that of the record, which is an
// error.
type message struct {
	record.Record

	Err       string `json:",omitempty"`
	Forgotten string `json:",omitempty"`
	Counted   bool   `json:",omitempty"`
}

// encode returns an event as a line.
func (e Event) encode() ([]byte, error) {
	m := message{Forgotten: e.Forgotten, Counted: e.Counted}
	if e.Record != nil {
		m.Record = *e.Record
	}
	if m.Record.Err != nil {
		m.Err = m.Record.Err.Error()
	}
	line, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing an event: %w", err)
	}
	return append(line, '\n'), nil
}

func decode(line []byte) (Event, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return Event{}, fmt.Errorf("reading an event: %w", err)
	}
	if m.Forgotten != "" {
		return Event{Forgotten: m.Forgotten}, nil
	}
	r := m.Record
	if m.Err != "" {
		r.Err = errors.New(m.Err)
	}
	return Event{Record: &r, Counted: m.Counted}, nil
}

// A Predecessor is the process that has started this one. A nil Predecessor is none.
type Predecessor struct{ conn net.Conn }

// Ready tells it to stop accepting connections.
func (p *Predecessor) Ready() error {
	if p == nil {
		return nil
	}
	if err := p.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("telling the process before this one: %w", err)
	}
	if _, err := io.WriteString(p.conn, readyLine); err != nil {
		return fmt.Errorf("telling the process before this one: %w", err)
	}
	return nil
}

// Receive calls handle for each event, until the predecessor has ended or Close is
// called. An event that cannot be read, as one of another version of the program, is left
// out, and the error says how many those were.
func (p *Predecessor) Receive(handle func(Event)) error {
	if p == nil {
		return nil
	}
	lines := bufio.NewScanner(p.conn)
	lines.Buffer(nil, maxEvent)
	unread, first := 0, error(nil)
	for lines.Scan() {
		e, err := decode(lines.Bytes())
		if err != nil {
			unread, first = unread+1, cmp.Or(first, err)
			continue
		}
		handle(e)
	}
	if first != nil {
		first = fmt.Errorf("%d events, the first: %w", unread, first)
	}
	if err := lines.Err(); err != nil && !errors.Is(err, net.ErrClosed) {
		return errors.Join(first, fmt.Errorf("reading events: %w", err))
	}
	return first
}

// Close ends Receive.
func (p *Predecessor) Close() {
	if p != nil {
		_ = p.conn.Close()
	}
}
