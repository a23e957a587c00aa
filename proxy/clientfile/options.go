// Package clientfile reads the file of per-client options and finds those of an
// address. It refuses a file with anything in it that it does
// not understand, because a misspelt option would otherwise do nothing.
package clientfile

import "time"

// Plaintext reports whether a client may go without TLS.
type Plaintext int

// The values of Plaintext.
const (
	PlaintextUnset  Plaintext = iota // what the listener says
	PlaintextAllow                   // whatever the listener says
	PlaintextRefuse                  // whatever the listener says
)

// Options are what the file says of one client. The zero value is that of a
// client of which it says nothing.
type Options struct {
	// Name is unique in the file, printable ASCII and at most 64 bytes long.
	// It is empty only for a client that the file does not have.
	Name string
	// Plaintext is PlaintextUnset by default.
	Plaintext Plaintext
	// To are its destinations in place of those of the listeners.
	To Routes
	// RC4 and DES also offer such suites to the client. False does not take away what
	// all clients are offered.
	RC4, DES bool
	// DHBits is the length of the group for DHE, 1024 or 2048; zero means what
	// all clients get.
	DHBits int
	// SplitRecords sends the first byte of each write in a record of its own
	// where that hinders BEAST; false means not to.
	SplitRecords bool
	// RecordSize is the most bytes that a record to the client has; zero means as many
	// as may be, or as the client asks for.
	RecordSize int
	// Leaf is the kind of certificate that the client gets.
	Leaf Leaf
}

// A Hash is what a certificate is signed with.
type Hash int

// The values of Hash.
const (
	HashAuto Hash = iota // goes by what the client offers
	HashSHA256
	HashSHA1
)

// A KeyType is which clients get a certificate with an ECDSA key, and not an RSA key. Whoever
// can do with one kind only gets that.
type KeyType int

// The values of KeyType.
const (
	KeyTypeUnset KeyType = iota // what all clients get
	KeyTypeAuto                 // those that say in their hello that they can verify it
	KeyTypeRSA                  // none
	KeyTypeECDSA                // all that offer a cipher suite for it
)

// A CA is one of the two that there are during a rotation.
type CA int

// The values of CA.
const (
	CAUnset CA = iota // what all clients get
	CAOld
	CANew
)

// A Leaf is a kind of certificate. The zero value is the usual one.
type Leaf struct {
	// CA is which CA signs it during a rotation; CAUnset by default.
	CA CA
	// Hash is what it is signed with; HashAuto by default.
	Hash Hash
	// KeyType is the kind of its key; KeyTypeUnset by default.
	KeyType KeyType
	// Bits is the length of its RSA key, 1024 or 2048; zero means 2048.
	Bits int
	// WithCA sends the certificate of the CA along; false leaves it out.
	WithCA bool
	// NotBefore is the day from which on it is valid, for a client whose clock
	// stands years back; zero means the usual one.
	NotBefore time.Time
}
