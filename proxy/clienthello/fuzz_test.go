package clienthello

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func FuzzPeek(f *testing.F) {
	for _, b := range accepted(f) {
		f.Add(b, uint16(7))
	}
	f.Add(browser(0x2a2a, true, sni("a.example")), uint16(1))
	f.Add(fragment(0x0303, unfragment(browser(0x2a2a, true)), 5), uint16(100))
	f.Add(append(with(extension(10, 0, 2, 0, 23)), "more"...), uint16(3))
	f.Add(longSSLv2(sslv2Body(0x0301, []byte{0, 0, 10}, 0, 32)), uint16(0))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(0))
	f.Add([]byte(proxyV2), uint16(0))
	f.Fuzz(func(t *testing.T, stream []byte, size uint16) {
		r := reader(stream)
		h, err := Peek(r)
		again, errAgain := Peek(r)
		if !equal(h, again) || !equal(err, errAgain) {
			t.Errorf("at first %+v, %v; then %+v, %v", h, err, again, errAgain)
		}
		if left, _ := io.ReadAll(r); !bytes.Equal(left, stream) {
			t.Error("bytes were consumed")
		}
		if err != nil {
			checkError(t, h, err)
			return
		}
		checkHello(t, h, stream, 1+int(size))
	})
}

// checkError allows only the errors that Peek promises.
func checkError(t *testing.T, h *Hello, err error) {
	var notTLS *NotTLSError
	switch {
	case h != nil:
		t.Errorf("both a hello and an error: %+v, %v", h, err)
	case errors.As(err, &notTLS), errors.Is(err, ErrMalformed), errors.Is(err, ErrTooLarge):
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
	default:
		t.Errorf("unexpected error: %v", err)
	}
}

// checkHello checks what is true of every hello, however it arrives.
func checkHello(t *testing.T, h *Hello, stream []byte, size int) {
	if h.Length > len(stream) || h.Length > MaxSize {
		t.Fatalf("length %d of %d", h.Length, len(stream))
	}
	if !h.Offers(h.MaxVersion()) || h.MaxVersion() == 0 {
		t.Errorf("offers at most %04x, but not really: %+v", h.MaxVersion(), h)
	}
	if len(h.JA3()) != 32 || len(h.JA4()) != 36 {
		t.Errorf("fingerprints %q and %q", h.JA3(), h.JA4())
	}
	stream = stream[:h.Length]
	if alone := mustPeek(t, stream); !equal(alone, h) {
		t.Errorf("alone %+v, with more %+v", alone, h)
	}
	if _, err := Peek(reader(stream[:h.Length-1])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without its last byte: %v", err)
	}
	if h.Format == SSLv2 {
		return
	}
	// The seam between arriving and parsing: one byte at a time, in records of
	// another size.
	slow, err := Peek(bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(stream)), MaxSize))
	if err != nil || !equal(slow, h) {
		t.Errorf("byte by byte %+v, %v; at once %+v", slow, err, h)
	}
	other := fragment(h.RecordVersion, unfragment(stream), size)
	if len(other) > MaxSize {
		return
	}
	if refragmented := mustPeek(t, other); !butForLength(refragmented, h) {
		t.Errorf("in records of %d: %+v, as sent %+v", size, refragmented, h)
	}
}
