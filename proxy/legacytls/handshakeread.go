package legacytls

import (
	"bytes"
	"errors"
	"io"
)

// readHello reads the ClientHello, in records or in SSLv2 format.
func (h *handshake) readHello() error {
	if err := h.input.await(recordHeaderLen); err != nil {
		return err
	}
	size, skip := sslv2Length(h.input.buf[h.input.r:h.input.w])
	if skip > 0 {
		return h.readSSLv2Hello(size, skip)
	}
	message, err := h.readMessage(msgClientHello)
	if err != nil {
		return err
	}
	h.raw = message
	var ok bool
	if h.hello, ok = parseClientHello(message[messageHeaderLen:]); !ok {
		return fault(alertDecodeError, "malformed ClientHello")
	}
	return nil
}

// sslv2Length is the length of a hello in SSLv2 format and of its record
// header, which has two bytes, or, as SSL 2.0 allowed, three; zero for a TLS
// record.
func sslv2Length(b []byte) (size, header int) {
	switch {
	case b[0]&0x80 != 0:
		return int(b[0]&0x7f)<<8 | int(b[1]), 2
	case b[0] < typeChangeCipherSpec && b[2] == 0 && b[3] == sslv2MsgClientHello:
		return int(b[0]&0x3f)<<8 | int(b[1]), 3
	}
	return 0, 0
}

func (h *handshake) readSSLv2Hello(size, header int) error {
	if size > maxSSLv2Hello {
		return fault(alertRecordOverflow, "a ClientHello in SSLv2 format of %d bytes", size)
	}
	if err := h.input.await(header + size); err != nil {
		return err
	}
	h.input.take(header)
	h.raw = bytes.Clone(h.input.take(size))
	h.input.release()
	var ok bool
	if h.hello, ok = parseSSLv2Hello(h.raw); !ok {
		return fault(alertDecodeError, "malformed ClientHello in SSLv2 format")
	}
	return nil
}

// readMessage reads the next handshake message, which has to be of a type. It
// may come in many records, and many may come in one.
func (h *handshake) readMessage(want uint8) ([]byte, error) {
	limit := maxHandshakeMessage
	if want == msgClientHello {
		limit = maxClientHello
	}
	for !h.haveMessage() {
		typ, data, err := h.readRecord(nil)
		if err != nil {
			return nil, err
		}
		switch {
		case typ == typeAlert:
			err = h.handshakeAlert(data)
		case typ != typeHandshake:
			err = fault(alertUnexpectedMessage, "a record of type %d in the place of a handshake message", typ)
		case len(data) == 0:
			err = fault(alertUnexpectedMessage, "an empty handshake record")
		default:
			h.message = append(h.message, data...)
			if len(h.message) >= messageHeaderLen && messageSize(h.message) > limit {
				err = fault(alertIllegalParameter, "a handshake message of %d bytes", messageSize(h.message))
			}
		}
		h.input.release()
		if err != nil {
			return nil, err
		}
	}
	size := messageSize(h.message)
	message := h.message[:size:size]
	if h.message = h.message[size:]; len(h.message) == 0 {
		h.message = nil
	}
	if message[0] != want {
		return nil, fault(alertUnexpectedMessage, "a handshake message of type %d in the place of type %d", message[0], want)
	}
	return message, nil
}

func (h *handshake) haveMessage() bool {
	return len(h.message) >= messageHeaderLen && len(h.message) >= messageSize(h.message)
}

// handshakeAlert is how the handshake ends by an alert, or nil after a warning.
func (h *handshake) handshakeAlert(data []byte) error {
	err := h.handleAlert(data)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (h *handshake) readChangeCipherSpec() error {
	for {
		typ, data, err := h.readRecord(nil)
		if err != nil {
			return err
		}
		switch {
		case typ == typeAlert:
			err = h.handshakeAlert(data)
		case typ != typeChangeCipherSpec || len(h.message) > 0:
			err = fault(alertUnexpectedMessage, "a record of type %d in the place of ChangeCipherSpec", typ)
		case len(data) != 1 || data[0] != 1:
			err = fault(alertDecodeError, "malformed ChangeCipherSpec")
		}
		h.input.release()
		if err != nil || typ == typeChangeCipherSpec {
			return err
		}
	}
}
