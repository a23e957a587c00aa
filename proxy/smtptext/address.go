package smtptext

import "hash/maphash"

// An Address hashes the address in MAIL or RCPT as it comes by. It holds none of it, and
// the hashes of one session mean nothing in another.
type Address struct {
	hash maphash.Hash
	at   addressPart
}

// An addressPart is where a reader is in a line with an address.
type addressPart uint8

const (
	beforeAddress addressPart = iota // the command, up to its colon
	afterColon                       // blanks and the bracket
	inAddress
	afterAddress // parameters (RFC 5321 section 4.1.2), which may differ in the next try
)

// Note takes in some bytes of a line.
func (a *Address) Note(piece []byte) {
	for _, b := range piece {
		switch {
		case a.at == beforeAddress && b == ':':
			a.at = afterColon
		case a.at == afterColon && b != ' ' && b != '\t' && b != '<', a.at == inAddress:
			a.at = inAddress
			if b == '>' || b == ' ' || b == '\r' || b == '\n' {
				a.at = afterAddress
				return
			}
			if 'A' <= b && b <= 'Z' {
				b += 'a' - 'A'
			}
			_ = a.hash.WriteByte(b) // never fails
		case a.at == afterAddress:
			return
		}
	}
}

// End returns the hash of the line's address, and begins the next line.
func (a *Address) End() uint64 {
	sum := a.hash.Sum64()
	a.hash.Reset()
	a.at = beforeAddress
	return max(sum, 1) // zero is no address
}
