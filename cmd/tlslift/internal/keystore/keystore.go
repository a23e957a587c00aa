// Package keystore writes and reads PKCS #12 files: trust stores, and a key with its
// certificate. It keeps nothing, and its errors quote nothing of a file or a password.
package keystore

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/tlslift/tlslift/proxy/secretfile"
)

// DefaultPassword is that of Java for trust stores, in which all is public.
const DefaultPassword = pkcs12.DefaultPassword

// An Entry is a certificate of a trust store, with its name there.
type Entry struct {
	Certificate *x509.Certificate
	Name        string
}

// TrustStore returns a PKCS #12 trust store for Java. Legacy is for Java that is older than
// 8u301 or 11.0.12.
func TrustStore(entries []Entry, password string, legacy bool) ([]byte, error) {
	var all []pkcs12.TrustStoreEntry
	for _, e := range entries {
		all = append(all, pkcs12.TrustStoreEntry{Cert: e.Certificate, FriendlyName: e.Name})
	}
	return encoder(legacy).EncodeTrustStoreEntries(all, password)
}

// Identity returns a PKCS #12 file with a key, its certificate and those above that. Legacy
// has it encrypted with 3DES and its MAC with SHA-1, as devices until about 2020 read it, and
// otherwise with AES and SHA-256. A password is tried with the work that OpenSSL and Windows put
// into it.
func Identity(key crypto.Signer, certificate *x509.Certificate, above []*x509.Certificate, password string, legacy bool) ([]byte, error) {
	return encoder(legacy).WithIterations(identityIterations).Encode(key, certificate, above, password)
}

// identityIterations is what OpenSSL has, also for the MAC, and devices read. The module's own
// number for the MAC of an old file is 1, with which a password of a person is soon guessed.
const identityIterations = 2048

func encoder(legacy bool) *pkcs12.Encoder {
	if legacy {
		return pkcs12.LegacyDES.WithRand(rand.Reader)
	}
	return pkcs12.Modern2023.WithRand(rand.Reader)
}

// Decode returns what a PKCS #12 file with one key has: the key, its certificate and those
// above that.
func Decode(file []byte, password string) (key any, own *x509.Certificate, above []*x509.Certificate, err error) {
	key, own, above, err = pkcs12.DecodeChain(file, password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, nil, nil, errors.New("the password is wrong")
	case err != nil:
		return nil, nil, nil, errors.New("it is neither PEM nor a PKCS #12 file with one key and its certificate")
	}
	return key, own, above, nil
}

// maxPassword is more than any password that can be used.
const maxPassword = 4096

// ReadPassword returns the password that a file has in its one line. Nobody but its owner,
// and the group, may read the file.
func ReadPassword(path string) (string, error) {
	data, err := secretfile.ReadOnce(path, maxPassword, func([]byte) bool { return true })
	if err != nil {
		return "", err
	}
	word := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case word == "":
		return "", errors.New(path + " has no password: it is empty")
	case strings.Contains(word, "\n"):
		return "", errors.New(path + " has more than one line, and a password is one")
	}
	return word, nil
}
