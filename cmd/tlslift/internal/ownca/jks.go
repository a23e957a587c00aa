package ownca

import (
	"crypto/sha1" //nolint:gosec // the format has it; it guards against accidents only
	"crypto/x509"
	"encoding/binary"
	"errors"
	"time"
	"unicode/utf16"
)

// The numbers of a JKS file. Sun has never written the format down; keytool reads and writes
// it.
const (
	jksMagic       = 0xfeedfeed
	jksVersion     = 2
	jksCertificate = 2 // kind of entry
	// jksSalt is hashed between the password and the content.
	jksSalt = "Mighty Aphrodite"
)

// trustStoreJKS returns a trust store for Java of any age. All in it is public: the password
// is for its checksum.
func trustStoreJKS(certs []*x509.Certificate, password string) ([]byte, error) {
	if len(password) < 6 {
		return nil, errors.New("the password has less than 6 characters, which keytool refuses")
	}
	var b []byte
	text := func(s string) {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s))) //nolint:gosec // our own short texts
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint32(b, jksMagic)
	b = binary.BigEndian.AppendUint32(b, jksVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(len(certs))) //nolint:gosec // a few
	for i, c := range certs {
		b = binary.BigEndian.AppendUint32(b, jksCertificate)
		text(aliasOf(i))
		b = binary.BigEndian.AppendUint64(b, uint64(time.Now().UnixMilli()))
		text("X.509")
		b = binary.BigEndian.AppendUint32(b, uint32(len(c.Raw))) //nolint:gosec // of a certificate
		b = append(b, c.Raw...)
	}
	sum := sha1.New() //nolint:gosec // see above
	for _, unit := range utf16.Encode([]rune(password)) {
		sum.Write(binary.BigEndian.AppendUint16(nil, unit))
	}
	sum.Write([]byte(jksSalt))
	sum.Write(b)
	return sum.Sum(b), nil
}
