package localca

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// Verifiers of others agree on what the CA may sign for.
func TestOthersVerifyLeaves(t *testing.T) {
	t.Parallel()
	for _, critical := range []bool{false, true} {
		ca := open(t, Options{Permitted: []string{"outlook.com", "office.example"}, CriticalConstraints: critical})
		verifiers := map[string]func(file, name string) []string{
			"openssl": func(file, name string) []string {
				return []string{"verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name, "-CAfile", ca.CertificateFile(), file}
			},
			"certtool": func(file, name string) []string {
				return []string{"--verify", "--load-ca-certificate", ca.CertificateFile(), "--verify-purpose", "1.3.6.1.5.5.7.3.1",
					"--verify-hostname", name, "--infile", file}
			},
		}
		for program, args := range verifiers {
			t.Run(program, func(t *testing.T) {
				t.Parallel()
				testenv.Need(t, program)
				for _, test := range []struct {
					names []string
					host  string
					ok    bool
				}{
					{[]string{"outlook.com"}, "outlook.com", true},
					{[]string{"smtp.outlook.com", "*.office.example", "*.outlook.com"}, "any.outlook.com", true},
					{[]string{strings.Repeat("a", 57) + ".outlook.com"}, strings.Repeat("a", 57) + ".outlook.com", true},
					{[]string{"smtp.outlook.com"}, "imap.outlook.com", false},
					{[]string{"outside.example"}, "outside.example", false},
					{[]string{"xoutlook.com"}, "xoutlook.com", false},
					{[]string{"smtp.outlook.com", "outside.example"}, "smtp.outlook.com", false},
				} {
					file := leafFile(t, ca, test.names)
					out, err := exec.CommandContext(t.Context(), program, args(file, test.host)...).CombinedOutput()
					if (err == nil) != test.ok {
						t.Errorf("critical %t, leaf for %q as %s: %v, %s", critical, test.names, test.host, err, out)
					}
				}
			})
		}
	}
}

// They verify a leaf with an ECDSA key, too, whose signature is RSA.
func TestOthersVerifyECDSALeaves(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl", "certtool")
	ca := open(t, Options{Permitted: []string{"outlook.com"}})
	leaf := profiled(t, ca, "smtp.outlook.com", Profile{ECDSA: true}).Leaf
	file := testenv.WriteFile(t, "leaf.pem", testenv.CertificatePEM(leaf))
	for _, args := range [][]string{
		{"openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "smtp.outlook.com",
			"-CAfile", ca.CertificateFile(), file},
		{"certtool", "--verify", "--load-ca-certificate", ca.CertificateFile(), "--verify-purpose", "1.3.6.1.5.5.7.3.1",
			"--verify-hostname", "smtp.outlook.com", "--infile", file},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", args[0], err, out)
		}
	}
}

// leafFile writes a leaf for names, also for those that the CA may not sign for.
func leafFile(t *testing.T, ca *CA, names []string) string {
	t.Helper()
	now := time.Now()
	key, err := ca.keys[rsaBits].at(now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.sign(leafTemplate(names, now.Add(-time.Hour), now.Add(time.Hour)), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return testenv.WriteFile(t, "leaf.pem", testenv.CertificatePEM(cert.Leaf))
}

func TestOpenSSLShowsTheSameFingerprintAndKey(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	ca := open(t, Options{})
	run := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput()
		if err != nil {
			t.Errorf("openssl %s: %v, %s", args, err, out)
		}
		return string(out)
	}
	out := run("x509", "-noout", "-fingerprint", "-sha256", "-in", ca.CertificateFile())
	if !strings.Contains(out, "="+ca.Fingerprint()+"\n") {
		t.Errorf("openssl shows %s, want %s", out, ca.Fingerprint())
	}
	if out := run("pkey", "-check", "-noout", "-in", filepath.Join(ca.dir, "ca.key")); !strings.Contains(out, "Key is valid") {
		t.Errorf("openssl says of the key: %s", out)
	}
}

// OpenSSL takes every profile of leaf when it is as lenient as old devices
// are, over TLS 1.0, and sees in it what was asked for.
func TestOpenSSLTakesEveryProfile(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	ca := open(t, Options{Permitted: []string{"outlook.com"}})
	for _, p := range profiles {
		t.Run(fmt.Sprintf("%+v", p), func(t *testing.T) {
			t.Parallel()
			cert := profiled(t, ca, "smtp.outlook.com", p)
			addr := serveHello(t, cert)
			out, err := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", addr, "-tls1", "-cipher",
				"AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",
				"-CAfile", ca.CertificateFile(), "-verify_hostname", "smtp.outlook.com",
				"-verify_return_error", "-showcerts", "-ign_eof").CombinedOutput()
			if err != nil || !strings.Contains(string(out), "Verify return code: 0 (ok)") || !strings.Contains(string(out), "\nhello") {
				t.Fatalf("%v, %s", err, out)
			}
			if n := strings.Count(string(out), "BEGIN CERTIFICATE"); n != len(cert.Certificate) {
				t.Errorf("OpenSSL was sent %d certificates, want %d", n, len(cert.Certificate))
			}
			algorithm, bits := "sha256WithRSAEncryption", 2048
			if p.SHA1 {
				algorithm = "sha1WithRSAEncryption"
			}
			if p.Bits != 0 {
				bits = p.Bits
			}
			if p.ECDSA {
				bits = 256
			}
			file := testenv.WriteFile(t, "leaf.pem", testenv.CertificatePEM(cert.Leaf))
			text, err := exec.CommandContext(t.Context(), "openssl", "x509", "-noout", "-text", "-in", file).CombinedOutput()
			if err != nil || !strings.Contains(string(text), "Signature Algorithm: "+algorithm+"\n") ||
				!strings.Contains(string(text), fmt.Sprintf("Public-Key: (%d bit)\n", bits)) {
				t.Errorf("%v, %s", err, text)
			}
			verify := exec.CommandContext(t.Context(), "openssl", "verify", "-x509_strict", "-auth_level", "0", "-purpose", "sslserver",
				"-verify_hostname", "smtp.outlook.com", "-CAfile", ca.CertificateFile(), file)
			if out, err := verify.CombinedOutput(); err != nil {
				t.Errorf("%v, %s", err, out)
			}
		})
	}
}

// serveHello says hello to each client of TLS 1.0 and returns the address.
func serveHello(t *testing.T, cert *tls.Certificate) string {
	t.Helper()
	config := &tls.Config{
		Certificates: []tls.Certificate{*cert},
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
		MinVersion:   tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
	}
	return testenv.Serve(t, func(conn net.Conn) {
		secure := tls.Server(conn, config)
		_, _ = io.WriteString(secure, "hello\n")
		_ = secure.Close()
	}).String()
}
