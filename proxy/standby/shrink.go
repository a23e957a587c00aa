package standby

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"sync"
	"unsafe"
)

// buffers are where a tls.Conn has what it reads into.
type buffers struct {
	known                bool
	rawInput, hand, data uintptr // offsets
}

// layout finds them. They are not known to this package in a version of Go that has others: its
// test says so, and Shrink does nothing then.
var layout = sync.OnceValue(func() (b buffers) {
	conn := reflect.TypeFor[tls.Conn]()
	at := func(name string, of reflect.Type) uintptr {
		f, is := conn.FieldByName(name)
		b.known = b.known && is && f.Type == of
		return f.Offset
	}
	b.known = true
	b.rawInput, b.hand = at("rawInput", reflect.TypeFor[bytes.Buffer]()), at("hand", reflect.TypeFor[bytes.Buffer]())
	b.data = at("input", reflect.TypeFor[bytes.Reader]())
	return b
})

// Shrink drops the buffers in which conn has nothing that is still to be read, after it has
// wiped them. A tls.Conn keeps them for its largest record, up to 40 KiB, and plaintext in
// them; it has no function for that, and no way to limit them. The caller is the one who reads
// from conn.
func Shrink(conn *tls.Conn) {
	at := layout()
	if !at.known {
		return
	}
	start := unsafe.Pointer(conn) //nolint:gosec // see layout
	data := (*bytes.Reader)(unsafe.Add(start, at.data))
	raw := (*bytes.Buffer)(unsafe.Add(start, at.rawInput))
	if data.Len() == 0 && raw.Len() == 0 {
		data.Reset(nil) // it is a part of the other one
		drop(raw)
	}
	if hand := (*bytes.Buffer)(unsafe.Add(start, at.hand)); hand.Len() == 0 {
		drop(hand)
	}
}

// drop wipes an empty buffer and lets go of it.
func drop(b *bytes.Buffer) {
	b.Reset()
	all := b.AvailableBuffer()
	clear(all[:cap(all)])
	*b = bytes.Buffer{}
}
