package ownca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/deviceca"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/keystore"
	"github.com/tlslift/tlslift/metrics/statuspage/pkcs7"
	"github.com/tlslift/tlslift/proxy/localca"
)

// ExportHelp and ExportExample are those of the command.
const ExportHelp = `Writes the certificate of the CA in the form that a device, a computer or a program
takes. It never writes the key: a backup of the CA is a copy of its directory.

The formats are
  pem         text, for most devices, OpenSSL, curl, Python, Firefox
  der         .cer or .der, for Windows, Android and panels that refuse text
  pkcs7       .p7b, for panels that take certificates in no other form
  pkcs12      trust store for Java 8 and newer; others take no certificate from it
  jks         trust store for Java of any age

A trust store needs a password, which is no secret, since all in it is public: it is
changeit, as Java expects, unless --password-file has another one. Java that is
older than 8u301 or 11.0.12 reads only a pkcs12 with --legacy.

With --device it writes that of the device CA (tlslift ca issue), for whoever checks the
certificates of devices. With --chain it writes also the CAs above that of a company.
--form is for very old clients: sha1 has it signed with SHA-1, backdated is valid from
1970 on.`

const ExportExample = `  tlslift ca export >tlslift-ca.pem
  tlslift ca export --format der --output tlslift-ca.cer
  tlslift ca export --format jks --output truststore.jks
  tlslift ca export --new --format pkcs7 --output tlslift-ca-new.p7b`

// alias names the CA in a trust store.
const alias = "tlslift-ca"

// An Export says what is written.
type Export struct {
	// Format is one of Formats.
	Format string
	// New is for the new CA of a rotation.
	New bool
	// Device is for the CA of the certificates of devices.
	Device bool
	// Chain writes the CAs above it, too.
	Chain bool
	// Form is one of Forms; empty means the usual one.
	Form string
	// Legacy encrypts a PKCS #12 file so that old programs read it.
	Legacy bool
	// PasswordFile has the password of a trust store; empty means Java's usual one.
	PasswordFile string
	// Output is the file; empty means standard output.
	Output string
}

// Formats are the formats of an export.
func Formats() []string { return []string{"pem", "der", "pkcs7", "pkcs12", "jks"} }

// Forms are the forms of the certificate.
func Forms() []string { return []string{"sha256", "sha1", "backdated"} }

// Check returns what is wrong with the command line.
func (e *Export) Check() error {
	store := e.Format == "pkcs12" || e.Format == "jks"
	switch {
	case !slices.Contains(Formats(), e.Format):
		return fmt.Errorf("--format: %q is not a format; use one of %s", e.Format, strings.Join(Formats(), ", "))
	case e.Form != "" && !slices.Contains(Forms(), e.Form):
		return fmt.Errorf("--form: %q is not a form; use one of %s", e.Form, strings.Join(Forms(), ", "))
	case e.Device && e.New:
		return errors.New("--device and --new cannot be used together: a rotation has the CA of clients only")
	case e.PasswordFile != "" && !store:
		return fmt.Errorf("--password-file is for trust stores, and --format %s is none", e.Format)
	case e.Legacy && e.Format != "pkcs12":
		return errors.New("--legacy is for --format pkcs12")
	case e.Chain && e.Format == "der":
		return errors.New("--format der has one certificate only; leave --chain out, or use pkcs7")
	}
	return nil
}

// Run writes the export to its file, or to stdout.
func (e *Export) Run(h *Home, stdout *os.File) error {
	certs, err := e.certificates(h)
	if err != nil {
		return err
	}
	data, err := e.encode(certs)
	if err != nil {
		return err
	}
	if e.Output == "" {
		if info, err := stdout.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && e.Format != "pem" {
			return fmt.Errorf("--format %s is no text, and standard output is a terminal; give a file with --output", e.Format)
		}
		_, err := stdout.Write(data)
		return err
	}
	f, err := os.OpenFile(e.Output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // it is public
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; remove it, or give another name with --output", e.Output)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(data))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", e.Output, err)
	}
	return nil
}

// certificates returns what is exported.
func (e *Export) certificates(h *Home) ([]*x509.Certificate, error) {
	ca, err := h.exported(e.Device)
	if err != nil {
		return nil, err
	}
	o := h.options
	if e.Device {
		o.Dir = deviceca.Dir(h.cfg.StateDir)
	}
	if e.New {
		if ca, err = h.next(); err != nil {
			return nil, err
		}
		if ca == nil {
			return nil, fmt.Errorf("--new: %w: there is no new CA; tlslift ca rotate makes one", localca.ErrNotRotating)
		}
		o.Dir = localca.NewDir(o.Dir)
	}
	certs := ca.Path()
	if !e.Chain {
		certs = certs[:1]
	}
	if form := (localca.Form{SHA1: e.Form == "sha1", Backdated: e.Form == "backdated"}); form != (localca.Form{}) {
		own, err := localca.ReadForm(o, form)
		if err != nil {
			return nil, fmt.Errorf("--form %s: %w", e.Form, err)
		}
		certs[0] = own
	}
	return certs, nil
}

// exported returns the CA, or that of devices.
func (h *Home) exported(device bool) (*localca.Public, error) {
	if !device {
		return h.current()
	}
	devices, err := deviceca.New(h.cfg)
	if err != nil {
		return nil, err
	}
	return devices.Public()
}

// encode returns certificates in the format.
func (e *Export) encode(certs []*x509.Certificate) ([]byte, error) {
	var raw [][]byte
	var text []byte
	for _, c := range certs {
		raw = append(raw, c.Raw)
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	switch e.Format {
	case "pem":
		return text, nil
	case "der":
		return raw[0], nil
	case "pkcs7":
		return pkcs7.CertificatesOnly(raw...)
	}
	word := keystore.DefaultPassword
	if e.PasswordFile != "" {
		var err error
		if word, err = keystore.ReadPassword(e.PasswordFile); err != nil {
			return nil, err
		}
	}
	if e.Format == "jks" {
		return trustStoreJKS(certs, word)
	}
	var entries []keystore.Entry
	for i, c := range certs {
		entries = append(entries, keystore.Entry{Certificate: c, Name: aliasOf(i)})
	}
	return keystore.TrustStore(entries, word, e.Legacy)
}

// aliasOf names the nth certificate in a trust store.
func aliasOf(n int) string {
	if n == 0 {
		return alias
	}
	return fmt.Sprintf("%s-above-%d", alias, n)
}
