package clienthello

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// renegotiationSCSV is what clients send in the place of an empty
// renegotiation_info extension (RFC 5746 section 3.3).
const renegotiationSCSV uint16 = 0x00ff

// A draft is a hello to be written. Its zero value has no extensions block.
type draft struct {
	version     uint16
	sessionID   []byte
	suites      []uint16
	compression []byte
	extensions  [][]byte
}

// message is the handshake message.
func (d draft) message() []byte {
	body := binary.BigEndian.AppendUint16(nil, d.version)
	body = append(body, bytes.Repeat([]byte{0x5a}, randomLen)...)
	body = append(body, vec8(d.sessionID...)...)
	body = append(body, vec16(words(d.suites...)...)...)
	body = append(body, vec8(d.compression...)...)
	if d.extensions != nil {
		body = append(body, vec16(slices.Concat(d.extensions...)...)...)
	}
	return handshake(handshakeTypeClientHello, body)
}

// bytes is the hello in one record.
func (d draft) bytes() []byte { return record(0x0301, d.message()) }

// with is a TLS 1.2 hello that has extensions.
func with(extensions ...[]byte) []byte {
	return draft{version: 0x0303, suites: []uint16{0x002f}, compression: []byte{0}, extensions: extensions}.bytes()
}

func handshake(kind byte, body []byte) []byte {
	n := len(body)
	return append([]byte{kind, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func record(version uint16, payload []byte) []byte {
	return append([]byte{recordTypeHandshake, byte(version >> 8), byte(version), byte(len(payload) >> 8), byte(len(payload))}, payload...)
}

func extension(kind uint16, data ...byte) []byte {
	return append(words(kind), vec16(data...)...)
}

// sni is a server_name extension with host names.
func sni(names ...string) []byte {
	var list []byte
	for _, n := range names {
		list = append(append(list, 0), vec16([]byte(n)...)...)
	}
	return extension(0, vec16(list...)...)
}

func words(values ...uint16) []byte {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func vec8(b ...byte) []byte { return append([]byte{byte(len(b))}, b...) }

func vec16(b ...byte) []byte { return append(words(uint16(len(b))), b...) }

// fragment puts a handshake message into records of at most size bytes.
func fragment(version uint16, message []byte, size int) []byte {
	var stream []byte
	for part := range slices.Chunk(message, size) {
		stream = append(stream, record(version, part)...)
	}
	return stream
}

// unfragment takes the hello out of the records that it is in.
func unfragment(stream []byte) []byte {
	var message []byte
	for len(stream) > 0 {
		end := recordHeaderLen + int(binary.BigEndian.Uint16(stream[3:]))
		message = append(message, stream[recordHeaderLen:end]...)
		stream = stream[end:]
	}
	return message[:handshakeHeaderLen+int(message[1])<<16+int(message[2])<<8+int(message[3])]
}

// sslv2Body is an SSLv2-format hello without its header.
func sslv2Body(version uint16, specs []byte, sessionID, challenge int) []byte {
	body := append([]byte{sslv2TypeHello}, words(version, uint16(len(specs)), uint16(sessionID), uint16(challenge))...)
	return append(append(body, specs...), bytes.Repeat([]byte{0x5a}, sessionID+challenge)...)
}

func sslv2(body []byte) []byte { return append(words(0x8000|uint16(len(body))), body...) }

// longSSLv2 has the header of three bytes.
func longSSLv2(body []byte) []byte { return append(append(words(uint16(len(body))), 0), body...) }

// reader makes a reader of the kind Peek wants.
func reader(b []byte) *bufio.Reader { return bufio.NewReaderSize(bytes.NewReader(b), MaxSize) }

// samples are the first flights of real clients in testdata, by name.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = b
	}
	return all
}

// firstFlight is what a crypto/tls client sends first.
func firstFlight(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	var client sync.WaitGroup
	client.Go(func() { _ = tls.Client(near, config).Handshake() })
	r := bufio.NewReaderSize(far, MaxSize)
	_, err := r.Peek(1)
	flight, _ := r.Peek(r.Buffered())
	flight = bytes.Clone(flight)
	_ = far.Close()
	client.Wait()
	_ = near.Close()
	if err != nil {
		t.Fatal(err)
	}
	return flight
}

// modern are hellos of crypto/tls, by what is asked of it.
func modern(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		all["crypto/tls "+VersionName(v)] = firstFlight(t, &tls.Config{
			ServerName: "outlook.office365.com", MinVersion: tls.VersionTLS10, MaxVersion: v, NextProtos: []string{"h2", "http/1.1"},
		})
	}
	all["crypto/tls with ML-KEM"] = firstFlight(t, &tls.Config{
		ServerName: "outlook.office365.com", CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519},
	})
	return all
}

// accepted are hellos of every kind that Peek must accept.
func accepted(t testing.TB) map[string][]byte {
	t.Helper()
	all := samples(t)
	for name, b := range modern(t) {
		all[name] = b
	}
	all["no extensions"] = draft{version: 0x0301, suites: []uint16{0x000a}, compression: []byte{0}}.bytes()
	all["SSL 2.0"] = sslv2(sslv2Body(0x0002, []byte{1, 0, 0x80}, 16, 16))
	return all
}
