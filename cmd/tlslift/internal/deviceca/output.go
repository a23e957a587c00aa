package deviceca

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/keystore"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/atomicfile"
	"github.com/tlslift/tlslift/proxy/localca"
)

// letters of a password: those that a person types on a panel without a doubt.
const letters = "abcdefghijkmnpqrstuvwxyz23456789"

// passwordLength is at most what panels take (Epson: 20), and gives 80 bits.
const passwordLength = 16

// password returns that of the file, and whether it was made here.
func (i *Issue) password() (word string, isNew bool, err error) {
	switch {
	case i.PEM:
		return "", false, nil
	case i.PasswordFile != "":
		word, err = keystore.ReadPassword(i.PasswordFile)
		return word, false, err
	}
	b := make([]byte, passwordLength)
	_, _ = rand.Read(b) // never returns an error
	for n := range b {
		b[n] = letters[b[n]%32]
	}
	return string(b), true, nil
}

// A newFile is the file that is written last. It is made first, so that what cannot be written
// is not issued.
type newFile struct {
	path string
	file *os.File // nil for one that is replaced, or is written
}

// reserve makes the file, which must not be there unless it may be replaced.
func (i *Issue) reserve() (*newFile, error) {
	o := &newFile{path: i.Output}
	if i.Force {
		info, err := os.Stat(i.Output)
		if err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file; give another name with --output", i.Output)
		}
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return o, err
		}
	}
	var err error
	o.file, err = os.OpenFile(i.Output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already; give another name with --output, or --force to replace it", i.Output)
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// fill writes the content. Only the owner may read it.
func (o *newFile) fill(data []byte) error {
	if o.file == nil {
		return atomicfile.Replace(o.path, data)
	}
	_, err := o.file.Write(data)
	if err := errors.Join(err, o.file.Sync(), o.file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", o.path, err)
	}
	o.file = nil
	return nil
}

// giveUp removes a file that was not filled.
func (o *newFile) giveUp() {
	if o.file != nil {
		_ = o.file.Close()
		_ = os.Remove(o.path)
	}
}

// encode returns the content of the file.
func (i *Issue) encode(m made, word string) ([]byte, error) {
	if !i.PEM {
		return keystore.Identity(m.key, m.certificate, []*x509.Certificate{m.ca}, word, i.Legacy)
	}
	block := &pem.Block{Type: "PRIVATE KEY"}
	var err error
	if key, isRSA := m.key.(*rsa.PrivateKey); i.Legacy && isRSA {
		block.Type, block.Bytes = "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)
	} else if block.Bytes, err = x509.MarshalPKCS8PrivateKey(m.key); err != nil {
		return nil, err
	}
	defer clear(block.Bytes)
	data := pem.EncodeToMemory(block)
	for _, c := range []*x509.Certificate{m.certificate, m.ca} {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return data, nil
}

// report says what was issued.
func (i *Issue) report(w io.Writer, h *Home, ca *localca.DeviceCA, one Issued, created bool) error {
	var b strings.Builder
	if created {
		fmt.Fprintf(&b, "A device CA is made in %s. Keep that directory as secret as the CA's.\n\n", h.options.Dir)
		writeAuthority(&b, h.shownOf(&ca.Public), h.now())
		b.WriteByte('\n')
	}
	kind := "PKCS #12: key, certificate, device CA"
	if i.PEM {
		kind = "PEM without a password: key, certificate, device CA"
	}
	if i.Legacy {
		kind += ", for old devices"
	}
	fmt.Fprintf(&b, "Certificate of %s\n", one.Name)
	row(&b, "File", i.Output+" ("+kind+")")
	row(&b, "Serial number", one.Serial)
	row(&b, "For", one.uses())
	row(&b, "Valid", fmt.Sprintf("%s to %s", one.From.Format(time.DateOnly), one.Until.Format(time.DateOnly)))
	if url := h.listURL(&ca.Public); url != "" {
		row(&b, "Revocation list", url)
	} else {
		row(&b, "Revocation list", "the certificate names none; "+settings.Prefix+"CRL_URL changes that for the next ones")
	}
	b.WriteString(issueSteps)
	_, err := io.WriteString(w, b.String())
	return err
}

const issueSteps = `
Next:
  1. Import the file on the device, and delete it here.
  2. Whoever checks the device's certificate has to trust the device CA: tlslift ca export --device
     The device itself need not.
`

// uses says what the certificate is for.
func (i *Issued) uses() string {
	if len(i.DNS)+len(i.IP) == 0 {
		return "client"
	}
	names := append([]string{}, i.DNS...)
	for _, addr := range i.IP {
		names = append(names, addr.String())
	}
	return "client; server " + strings.Join(names, ", ")
}

// row writes a line of a list, with its value wrapped.
func row(b *strings.Builder, name, value string) {
	printing.Row(b, fmt.Sprintf("  %-19s  ", name), 23, value, 78)
}
