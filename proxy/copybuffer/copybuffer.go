// Package copybuffer has the buffers that bytes of a connection are copied through: small
// ones, and larger ones while many bytes come. It wipes what it gives back. It does not read
// or write.
package copybuffer

import "sync"

const (
	// usualSize is the size of a full TLS record's plaintext (RFC 8446 section 5.1).
	usualSize = 16 << 10
	// BulkSize has room for two TLS records as they are on the wire, which is what a TLS
	// stack has at a time. Legacytls opens a record where it is to be if it fits, and copies
	// it if it does not.
	BulkSize = 2*usualSize + 4<<10
)

var (
	usualBuffers = sync.Pool{New: func() any { return new([usualSize]byte) }}
	bulkBuffers  = sync.Pool{New: func() any { return new([BulkSize]byte) }}
)

// A Buffer is that of one direction of a connection. It belongs to one goroutine. The zero
// value has no memory yet.
type Buffer struct {
	Grows bool // is large while many bytes come; false means that it never is

	usual *[usualSize]byte
	bulk  *[BulkSize]byte
	many  bool // bytes came the last time
}

// Space returns the memory for the next read.
func (b *Buffer) Space() []byte {
	if b.many != (b.bulk != nil) {
		b.Release()
	}
	switch {
	case b.many && b.bulk == nil:
		b.bulk = bulkBuffers.Get().(*[BulkSize]byte)
	case !b.many && b.usual == nil:
		b.usual = usualBuffers.Get().(*[usualSize]byte)
	}
	if b.many {
		return b.bulk[:]
	}
	return b.usual[:]
}

// Filled notes how many bytes a read has brought.
func (b *Buffer) Filled(n int) {
	if n > 0 {
		b.many = b.Grows && (n == usualSize || b.many && n >= usualSize/2)
	}
}

// Release gives the memory back, wiped: it is plaintext where TLS ends here, and there may
// be more of it than reads have returned.
func (b *Buffer) Release() {
	if b.usual != nil {
		clear(b.usual[:])
		usualBuffers.Put(b.usual)
	}
	if b.bulk != nil {
		clear(b.bulk[:])
		bulkBuffers.Put(b.bulk)
	}
	b.usual, b.bulk = nil, nil
}
