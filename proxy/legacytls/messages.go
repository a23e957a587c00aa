package legacytls

import (
	"crypto/tls"

	"golang.org/x/crypto/cryptobyte"
)

// message frames a handshake message.
func message(typ uint8, body func(b *cryptobyte.Builder)) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(typ)
	b.AddUint24LengthPrefixed(body)
	return b.Bytes()
}

// A serverHello is what we answer. Only what the client has offered may be in
// it.
type serverHello struct {
	version    uint16
	random     [randomLen]byte
	sessionID  []byte
	suite      uint16
	extensions []extension
}

type extension struct {
	id   uint16
	body []byte
}

func (h *serverHello) marshal() ([]byte, error) {
	return message(msgServerHello, func(b *cryptobyte.Builder) {
		b.AddUint16(h.version)
		b.AddBytes(h.random[:])
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(h.sessionID) })
		b.AddUint16(h.suite)
		b.AddUint8(compressionNull)
		if len(h.extensions) == 0 {
			return // old clients know no empty block
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, e := range h.extensions {
				b.AddUint16(e.id)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(e.body) })
			}
		})
	})
}

func certificateMessage(chain *tls.Certificate) ([]byte, error) {
	return message(msgCertificate, func(b *cryptobyte.Builder) {
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, der := range chain.Certificate {
				b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(der) })
			}
		})
	})
}

// serverKeyExchange has the parameters and, over them, a signature, whose
// algorithm is named since TLS 1.2.
func serverKeyExchange(params []byte, s signature) ([]byte, error) {
	return message(msgServerKeyExchange, func(b *cryptobyte.Builder) {
		b.AddBytes(params)
		if s.scheme != 0 {
			b.AddUint16(s.scheme)
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.value) })
	})
}

func newSessionTicket(lifetime uint32, ticket []byte) ([]byte, error) {
	return message(msgNewSessionTicket, func(b *cryptobyte.Builder) {
		b.AddUint32(lifetime)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(ticket) })
	})
}
