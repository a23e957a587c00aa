package legacytls

import (
	"slices"
)

// send adds a message to the flight.
func (h *handshake) send(message []byte) {
	h.transcript.add(message)
	h.messages = append(h.messages, message...)
}

// seal puts the messages into records, as many into one as are whole: mbedTLS 2
// reads none that goes on in another record. Only what is longer than a record
// is split.
func (h *handshake) seal() error {
	for len(h.messages) > 0 {
		n := messageSize(h.messages)
		for n < len(h.messages) && n+messageSize(h.messages[n:]) <= h.sends {
			n += messageSize(h.messages[n:])
		}
		for part := range slices.Chunk(h.messages[:n], h.sends) {
			var err error
			if h.flight, err = h.out.seal(h.flight, typeHandshake, part); err != nil {
				return err
			}
		}
		h.messages = h.messages[n:]
	}
	return nil
}

// flush sends the flight at once.
func (h *handshake) flush() error {
	if err := h.seal(); err != nil {
		return err
	}
	_, err := h.Conn.conn.Write(h.flight)
	h.flight = h.flight[:0]
	return err
}
