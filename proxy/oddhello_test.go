package proxy_test

import (
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// rawHello returns a ClientHello for RSA with AES-128 in one record; tail follows
// the compression methods.
func rawHello(recordVersion, version uint16, tail ...byte) []byte {
	body := slices.Concat(binary.BigEndian.AppendUint16(nil, version), make([]byte, 32), []byte{0, 0, 2, 0, 0x2f, 1, 0}, tail)
	return rawMessage(recordVersion, slices.Concat([]byte{1, 0, 0, byte(len(body))}, body))
}

func rawMessage(recordVersion uint16, message []byte) []byte {
	header := binary.BigEndian.AppendUint16([]byte{22}, recordVersion)
	return append(binary.BigEndian.AppendUint16(header, uint16(len(message))), message...)
}

// supportedVersions is the block of extensions with that one.
func supportedVersions(versions ...uint16) []byte {
	n := byte(2 * len(versions))
	b := []byte{0, n + 5, 0, 43, 0, n + 1, n}
	for _, v := range versions {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// alertAfter sends a first message and returns the description of the alert that
// answers it; -1 for another answer.
func alertAfter(t *testing.T, address string, first []byte) int {
	t.Helper()
	conn := dial(t, address)
	defer conn.Close()
	if _, err := conn.Write(first); err != nil {
		t.Error(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || len(answer) != 7 || answer[0] != 21 {
		t.Errorf("answered %x, %v", answer, err)
		return -1
	}
	return int(answer[6])
}

// What is wrong with a first message is what its alert says.
func TestOddHellos(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	good := rawHello(0x0301, 0x0301)
	for _, tt := range []struct {
		name   string
		first  []byte
		alert  int
		reason record.Reason
	}{
		{"ServerHello", rawMessage(0x0301, []byte{2, 0, 0, 0}), 10, record.ReasonHelloMalformed},
		{"HelloRequest", rawMessage(0x0303, []byte{0, 0, 0, 0}), 10, record.ReasonHelloMalformed},
		{"data", []byte{23, 3, 1, 0, 1, 'x'}, 10, record.ReasonNotTLS},
		{"ChangeCipherSpec", []byte{20, 3, 1, 0, 1, 1}, 10, record.ReasonNotTLS},
		{"a message after it in its record", rawMessage(0x0301, append(slices.Clone(good[5:]), 16, 0, 0, 0)), 10, record.ReasonHelloMalformed},
		{"SSL 2.0 in a record", rawHello(0x0301, 0x0200), 70, record.ReasonHelloMalformed},
		{"record version 0200", rawHello(0x0200, 0x0301), 70, record.ReasonHelloMalformed},
		{"record version 0000", rawHello(0, 0x0303), 70, record.ReasonHelloMalformed},
		{"a draft of TLS 1.3 alone", rawHello(0x0301, 0x0303, supportedVersions(0x7f1c)...), 70, record.ReasonNoSharedVersion},
		{"SSL 3.0 by its list", rawHello(0x0301, 0x0303, supportedVersions(0x0300)...), 70, record.ReasonNoSharedVersion},
		{"GREASE alone", rawHello(0x0301, 0x0303, supportedVersions(0x2a2a)...), 70, record.ReasonHelloMalformed},
		{"half a list", rawHello(0x0301, 0x0303, 0, 5, 0, 43, 0, 1, 2), 50, record.ReasonHelloMalformed},
	} {
		if got := alertAfter(t, w.tls, tt.first); got != tt.alert {
			t.Errorf("%s: alert %d, want %d", tt.name, got, tt.alert)
		}
		w.expect(record.OutcomeRefused, tt.reason)
	}
}

// A ServerHello is never of a version that the client does not list.
func TestServerHelloOfAListedVersion(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	for _, version := range []uint16{0x0301, 0x0302, 0x0303} {
		conn := dial(t, w.tls)
		if _, err := conn.Write(rawHello(0x0301, 0x0303, supportedVersions(0x7f1c, version)...)); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 11)
		if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 22 || binary.BigEndian.Uint16(answer[9:]) != version {
			t.Errorf("%04x: answered %x, %v", version, answer, err)
		}
		_ = conn.Close()
		w.record()
	}
}

// A client that goes on sending after a wrong hello still reads the alert: a
// reset would take it away.
func TestAlertWhileTheClientSends(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, echo(t, fake).Addr(), nil)
	first := rawMessage(0x0301, []byte{2, 0, 0, 0})
	if got := alertAfter(t, w.tls, append(first, make([]byte, 12<<20)...)); got != 10 {
		t.Errorf("alert %d, want 10", got)
	}
	w.expect(record.OutcomeRefused, record.ReasonHelloMalformed)
}
