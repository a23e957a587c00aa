package ownca

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/deviceca"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// exported returns the path of an export.
func exported(t *testing.T, h *Home, e Export) string {
	t.Helper()
	e.Output = filepath.Join(t.TempDir(), "export")
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	if err := e.Run(h, os.Stdout); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(e.Output)
	if err != nil || strings.Contains(string(data), "PRIVATE") {
		t.Errorf("%+v: %v, or a key in it", e, err)
	}
	return e.Output
}

// Others read each format, and find the certificate with the fingerprint that is shown.
func TestOthersReadExports(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	ca := current(t, h)
	word := testenv.WriteFile(t, "password", []byte("open sesame\n"))
	for name, test := range map[string]struct {
		export Export
		read   func(path string) string
		want   string
	}{
		"PEM, OpenSSL": {Export{Format: "pem"}, func(path string) string {
			return output(t, "openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256")
		}, ca.Fingerprint()},
		"PEM, certtool": {Export{Format: "pem"}, func(path string) string {
			return output(t, "certtool", "--certificate-info", "--infile", path)
		}, strings.ToLower(strings.ReplaceAll(ca.Fingerprint(), ":", ""))},
		"PEM, keytool": {Export{Format: "pem"}, func(path string) string {
			return output(t, "keytool", "-printcert", "-file", path)
		}, ca.Fingerprint()},
		"DER, OpenSSL": {Export{Format: "der"}, func(path string) string {
			return output(t, "openssl", "x509", "-inform", "DER", "-in", path, "-noout", "-fingerprint", "-sha1")
		}, localca.FingerprintSHA1(ca.Certificate())},
		"PKCS #7, OpenSSL": {Export{Format: "pkcs7", Chain: true}, func(path string) string {
			return output(t, "openssl", "pkcs7", "-inform", "DER", "-in", path, "-print_certs")
		}, strings.TrimSpace(string(testenv.CertificatePEM(ca.Certificate())))},
		"PKCS #7, certtool": {Export{Format: "pkcs7"}, func(path string) string {
			return output(t, "certtool", "--p7-info", "--inder", "--infile", path)
		}, strings.TrimSpace(string(testenv.CertificatePEM(ca.Certificate())))},
		"PKCS #12, keytool": {Export{Format: "pkcs12"}, func(path string) string {
			return output(t, "keytool", "-list", "-keystore", path, "-storepass", "changeit")
		}, "trustedCertEntry, \nCertificate fingerprint (SHA-256): " + ca.Fingerprint()},
		"old PKCS #12, keytool": {Export{Format: "pkcs12", Legacy: true, PasswordFile: word}, func(path string) string {
			return output(t, "keytool", "-list", "-keystore", path, "-storepass", "open sesame")
		}, "trustedCertEntry, \nCertificate fingerprint (SHA-256): " + ca.Fingerprint()},
		"PKCS #12, OpenSSL": {Export{Format: "pkcs12"}, func(path string) string {
			return output(t, "openssl", "pkcs12", "-in", path, "-passin", "pass:changeit", "-nokeys")
		}, strings.TrimSpace(string(testenv.CertificatePEM(ca.Certificate())))},
		"JKS, keytool": {Export{Format: "jks"}, func(path string) string {
			return output(t, "keytool", "-list", "-keystore", path, "-storetype", "JKS", "-storepass", "changeit")
		}, "trustedCertEntry, \nCertificate fingerprint (SHA-256): " + ca.Fingerprint()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.read(exported(t, h, test.export)); !strings.Contains(strings.ReplaceAll(got, "\r", ""), test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestExportOfOtherForms(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for form, want := range map[string]x509.SignatureAlgorithm{"sha1": x509.SHA1WithRSA, "backdated": x509.SHA256WithRSA} {
		text, err := os.ReadFile(exported(t, h, Export{Format: "pem", Form: form}))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || c.SignatureAlgorithm != want || (c.NotBefore.Year() == 1970) != (form == "backdated") {
			t.Errorf("%s: %v, valid from %v, %v", form, c.SignatureAlgorithm, c.NotBefore, err)
		}
	}
}

// The CA of the certificates of devices is exported too, in each form, and is another one.
func TestExportOfTheDeviceCA(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	e := Export{Format: "pem", Device: true, Output: filepath.Join(t.TempDir(), "export")}
	if err := e.Run(h, os.Stdout); err == nil || !strings.Contains(err.Error(), "there is no device CA") {
		t.Errorf("without one: %v", err)
	}
	devices, err := deviceca.New(h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	i := deviceca.Issue{Name: "copier", Days: 1, Key: "p256", Output: filepath.Join(t.TempDir(), "copier.p12")}
	if err := i.Run(devices, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	ca, err := devices.Public()
	if err != nil {
		t.Fatal(err)
	}
	got := output(t, "openssl", "x509", "-in", exported(t, h, Export{Format: "pem", Device: true}), "-noout", "-fingerprint", "-sha256")
	if !strings.Contains(got, ca.Fingerprint()) || ca.Fingerprint() == current(t, h).Fingerprint() {
		t.Errorf("got %s, want %s", got, ca.Fingerprint())
	}
	got = output(t, "openssl", "x509", "-in", exported(t, h, Export{Format: "pem", Form: "sha1", Device: true}), "-noout", "-text")
	if !strings.Contains(got, "sha1WithRSA") || !strings.Contains(got, "tlslift device CA") {
		t.Errorf("got %s", got)
	}
	if err := (&Export{Format: "pem", Device: true, New: true}).Check(); err == nil {
		t.Error("a rotation has no device CA")
	}
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]Export{
		`--format: "txt" is not a format`: {Format: "txt"},
		`--form: "md5" is not a form`:     {Format: "pem", Form: "md5"},
		"--password-file is for trust":    {Format: "pem", PasswordFile: "x"},
		"--legacy is for --format pkcs12": {Format: "jks", Legacy: true},
		"--format der has one":            {Format: "der", Chain: true},
	} {
		if err := e.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	h := newHome(t)
	file := testenv.WriteFile(t, "kept", []byte("kept"))
	for want, e := range map[string]Export{
		"is there already":          {Format: "pem", Output: file},
		"no rotation is under way":  {Format: "pem", New: true},
		"has less than 6":           {Format: "jks", PasswordFile: testenv.WriteFile(t, "short", []byte("abc"))},
		"has no password":           {Format: "jks", PasswordFile: testenv.WriteFile(t, "empty", []byte("\n"))},
		"has more than one line":    {Format: "jks", PasswordFile: testenv.WriteFile(t, "lines", []byte("one\ntwo\n"))},
		"no such file or directory": {Format: "pkcs12", PasswordFile: filepath.Join(t.TempDir(), "none")},
	} {
		if err := e.Run(h, os.Stdout); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "kept" {
		t.Errorf("the file has %q, %v", text, err)
	}
	e := Export{Format: "pem"}
	if err := e.Run(emptyHome(t), os.Stdout); err == nil || !strings.Contains(err.Error(), "TLSLIFT_STATE_DIR: there is no CA in") {
		t.Errorf("got %v", err)
	}
}
