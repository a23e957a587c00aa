package ownca

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/keystore"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/stateowner"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// ImportHelp and ImportExample are those of the command.
const ImportHelp = `Takes in a CA that somebody else has made: an intermediate CA of a company, so that
devices which trust the company's root need nothing. The files have the certificate
of that CA, those above it, and its key: in PEM form in one or several files, or as
one PKCS #12 file (.p12, .pfx), whose password is asked for.

It checks that they belong together, that clients will take certificates below it
(CA, pathlen, dates, usage), and says what is open: a CA without name constraints
lets whoever gets its key pretend to be every server for every computer of the
company. Ask for an intermediate CA that is limited to the names that "tlslift ca
show" lists, to no IP address and to server authentication.

Without a CA in TLSLIFT_STATE_DIR it becomes the CA. Otherwise it becomes the new one
of a rotation, as after "tlslift ca rotate". Clients are sent the intermediate CAs with
each certificate, and never the root. The key must be RSA, and without a password in
a PEM file.`

const ImportExample = `  sudo tlslift ca import chain.pem tlslift-ca.key --env-file /etc/tlslift/tlslift.env
  tlslift ca import tlslift-ca.p12 --password-file password.txt`

// maxImport bounds a file; a chain with its key needs a few KiB.
const maxImport = 1 << 20

// An Import says what is taken in.
type Import struct {
	Files []string
	// Password returns that of a PKCS #12 file. It is not called for other files.
	Password func() (string, error)
}

// Run takes in the CA, and says to w what came of it and what is next.
func (i *Import) Run(h *Home, w io.Writer) error {
	if err := stateowner.Check(h.cfg); err != nil {
		return err
	}
	bundle, err := i.bundle()
	if err != nil {
		return err
	}
	ca, unwise, err := localca.Import(h.options, bundle)
	if errors.Is(err, localca.ErrRotating) {
		return fmt.Errorf("%w: there is a new CA in %s; finish that rotation (tlslift ca rotate --finish) or cancel it (--cancel) first",
			err, localca.NewDir(h.options.Dir))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(i.Files, ", "), err)
	}
	isNew := filepath.Dir(ca.CertificateFile()) != h.options.Dir
	state, next := "current", startStep
	if isNew {
		state, next = "new", rotationSteps
	}
	var b strings.Builder
	shown := shownOf(state, ca)
	shown.write(&b, h.now) // what is open is among the warnings
	for _, what := range unwise {
		printing.Row(&b, "warning: ", 9, what, 80)
	}
	if err := h.tidy(&b); err != nil {
		return err
	}
	b.WriteString(next)
	_, err = io.WriteString(w, b.String())
	return err
}

const startStep = `
Next: start tlslift, or restart it. Devices have to trust the root of this CA.
`

// bundle reads the files.
func (i *Import) bundle() (localca.Bundle, error) {
	var texts [][]byte
	for _, path := range i.Files {
		data, err := secretfile.ReadOnce(path, maxImport, func(text []byte) bool {
			return !isPEM(text) || bytes.Contains(text, []byte("PRIVATE KEY"))
		})
		if err != nil {
			return localca.Bundle{}, err
		}
		defer clear(data)
		switch {
		case isPEM(data):
			texts = append(texts, data)
		case len(i.Files) > 1:
			return localca.Bundle{}, fmt.Errorf("%s is no PEM file; give PEM files, or one PKCS #12 file", path)
		default:
			b, err := i.pkcs12(data)
			if err != nil {
				return localca.Bundle{}, fmt.Errorf("%s: %w", path, err)
			}
			return b, nil
		}
	}
	b, err := localca.ParseBundle(texts...)
	if err != nil {
		return localca.Bundle{}, fmt.Errorf("%s: %w", strings.Join(i.Files, ", "), err)
	}
	return b, nil
}

func isPEM(text []byte) bool { return bytes.Contains(text, []byte("-----BEGIN ")) }

// pkcs12 reads a PKCS #12 file. Its errors quote nothing of it.
func (i *Import) pkcs12(data []byte) (localca.Bundle, error) {
	word, err := i.Password()
	if err != nil {
		return localca.Bundle{}, err
	}
	return parsePKCS12(data, word)
}

func parsePKCS12(data []byte, word string) (localca.Bundle, error) {
	key, own, above, err := keystore.Decode(data, word)
	if err != nil {
		return localca.Bundle{}, err
	}
	signer, is := key.(*rsa.PrivateKey)
	if !is {
		return localca.Bundle{}, errors.New("its key is of another type than RSA, and old devices know only that")
	}
	return localca.Bundle{Certificates: append([]*x509.Certificate{own}, above...), Key: signer}, nil
}
