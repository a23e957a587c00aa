package legacyclient

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"  //nolint:gosec // what clients of that time have
	"crypto/sha1" //nolint:gosec // what clients of that time have
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	digest "hash"
	"io"
)

// keys protect one direction.
type keys struct {
	seq uint64
	mac []byte
	cbc cipher.BlockMode
}

// readRecord reads one record and opens it.
func (c *connection) readRecord() (byte, []byte, error) {
	header := make([]byte, 5)
	if _, err := io.ReadFull(c.conn, header); err != nil {
		return 0, nil, fmt.Errorf("reading a TLS record: %w", err)
	}
	body := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return 0, nil, fmt.Errorf("reading a TLS record: %w", err)
	}
	if c.in != nil {
		var err error
		if body, err = c.in.open(header[0], body); err != nil {
			return 0, nil, err
		}
	}
	if header[0] == 21 && len(body) == 2 && body[0] == 2 {
		return 0, nil, tls.AlertError(body[1])
	}
	return header[0], body, nil
}

func (k *keys) sum(typ byte, data []byte) []byte {
	h := hmac.New(sha1.New, k.mac)
	header := binary.BigEndian.AppendUint64(nil, k.seq)
	header = append(header, typ, 3, 1, byte(len(data)>>8), byte(len(data))) //nolint:gosec // a record's length
	h.Write(header)
	h.Write(data)
	k.seq++
	return h.Sum(nil)
}

// open opens a record. This client is for demonstration and hides no timing.
func (k *keys) open(typ byte, body []byte) ([]byte, error) {
	if len(body) == 0 || len(body)%aes.BlockSize != 0 {
		return nil, errors.New("got a record that is not in blocks")
	}
	k.cbc.CryptBlocks(body, body)
	end := len(body) - 1 - int(body[len(body)-1]) - sha1.Size
	if end < 0 || !hmac.Equal(k.sum(typ, body[:end]), body[end:end+sha1.Size]) {
		return nil, errors.New("got a record that does not verify")
	}
	return body[:end], nil
}

func (c *connection) write(typ byte, data []byte) error {
	if c.out != nil {
		data = append(data[:len(data):len(data)], c.out.sum(typ, data)...)
		padding := aes.BlockSize - 1 - len(data)%aes.BlockSize
		for range padding + 1 {
			data = append(data, byte(padding))
		}
		c.out.cbc.CryptBlocks(data, data)
	}
	record := append([]byte{typ, 3, 1, byte(len(data) >> 8), byte(len(data))}, data...) //nolint:gosec // a record's length
	_, err := c.conn.Write(record)
	return err
}

// prf10 is the pseudorandom function of RFC 2246 section 5.
func prf10(secret []byte, label string, seeds ...[]byte) []byte {
	const enough = 104 // for the keys of AES-128 with SHA-1
	seed := []byte(label)
	for _, s := range seeds {
		seed = append(seed, s...)
	}
	half := (len(secret) + 1) / 2
	out := pHash(md5.New, secret[:half], seed, enough)
	subtle.XORBytes(out, out, pHash(sha1.New, secret[len(secret)-half:], seed, enough))
	return out
}

func pHash(newHash func() digest.Hash, secret, seed []byte, size int) []byte {
	sum := func(parts ...[]byte) []byte {
		h := hmac.New(newHash, secret)
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	var out []byte
	for a := sum(seed); len(out) < size; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:size]
}
