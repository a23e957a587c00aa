package localca

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A CA that cannot be used is an error that names the file and the remedy,
// in one line, and nothing in the directory changes.
func TestUnusableCA(t *testing.T) {
	t.Parallel()
	key, otherKey, ecKey := testenv.RSAKey(t, 0), testenv.RSAKey(t, 1), testenv.ECDSAKey(t)
	ca := caOf("operator")
	good, goodKey := testenv.CertificatePEM(testenv.Sign(t, ca, ca, key, key)), testenv.KeyPEM(t, key)
	serverOnly, noSign := caOf("server"), caOf("no sign")
	serverOnly.IsCA = false
	noSign.KeyUsage = x509.KeyUsageCRLSign
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	const moveAway = "move the directory DIR away to let tlslift make a new CA; clients must then import it"
	for name, test := range map[string]struct {
		cert, key  []byte
		now        time.Time
		want, cure string
	}{
		"certificate missing": {nil, goodKey, start, "DIR/ca.pem is missing", moveAway},
		"key missing":         {good, nil, start, "DIR/ca.key is missing", moveAway},
		"certificate empty":   {[]byte{}, goodKey, start, "DIR/ca.pem holds no certificate", moveAway},
		"certificate not PEM": {[]byte("hello"), goodKey, start, "DIR/ca.pem holds no certificate", moveAway},
		"certificate broken":  {block("CERTIFICATE", []byte("x")), goodKey, start, "DIR/ca.pem holds a broken certificate", moveAway},
		"broken one follows": {append(bytes.Clone(good), block("CERTIFICATE", []byte("x"))...), goodKey, start,
			"DIR/ca.pem holds a broken certificate", moveAway},
		"certificate cut off": {good[:len(good)-60], goodKey, start, "DIR/ca.pem holds no certificate", moveAway},
		"certificate huge":    {bytes.Repeat([]byte("x"), maxFile+1), goodKey, start, "DIR/ca.pem has more than", moveAway},
		"not a CA": {testenv.CertificatePEM(testenv.Sign(t, serverOnly, serverOnly, key, key)), goodKey, start,
			"DIR/ca.pem is not the certificate of a CA", moveAway},
		"may not sign": {testenv.CertificatePEM(testenv.Sign(t, noSign, noSign, key, key)), goodKey, start,
			"DIR/ca.pem is not the certificate of a CA", moveAway},
		"ECDSA certificate": {testenv.CertificatePEM(testenv.Sign(t, ca, ca, ecKey, ecKey)), goodKey, start,
			"DIR/ca.pem has a key of type ECDSA", moveAway},
		"key in certificate": {append(bytes.Clone(good), goodKey...), goodKey, start,
			"DIR/ca.pem is handed to clients but holds a private key", moveAway},
		"half a key in it": {append(bytes.Clone(good), goodKey[:500]...), goodKey, start,
			"DIR/ca.pem is handed to clients but holds a private key", moveAway},
		"key of another":     {good, testenv.KeyPEM(t, otherKey), start, "DIR/ca.key is not the key of ca.pem", moveAway},
		"key empty":          {good, []byte{}, start, "DIR/ca.key holds no private key", moveAway},
		"key is certificate": {good, good, start, "DIR/ca.key holds no private key", moveAway},
		"key broken":         {good, block("PRIVATE KEY", []byte("x")), start, "DIR/ca.key holds a broken private key", moveAway},
		"PKCS #1 key broken": {good, block("RSA PRIVATE KEY", []byte("x")), start, "DIR/ca.key holds a broken RSA key", moveAway},
		"key cut off":        {good, goodKey[:len(goodKey)-60], start, "DIR/ca.key holds no private key", moveAway},
		"ECDSA key":          {good, testenv.KeyPEM(t, ecKey), start, "DIR/ca.key holds a key of another type than RSA", moveAway},
		"SEC 1 key":          {good, block("EC PRIVATE KEY", sec1), start, "DIR/ca.key holds an ECDSA key", moveAway},
		"key encrypted":      {good, block("ENCRYPTED PRIVATE KEY", []byte("x")), start, "DIR/ca.key is encrypted", moveAway},
		"key encrypted, legacy": {good, []byte("-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: x\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"), start,
			"DIR/ca.key is encrypted", moveAway},
		"expired": {good, goodKey, start.AddDate(2, 0, 0), "DIR/ca.pem expired at 2028-03-01T12:00:00Z", moveAway},
		"not valid yet": {good, goodKey, start.AddDate(-2, 0, 0),
			"DIR/ca.pem is not valid before 2026-03-01T12:00:00Z, and the clock says 2025-03-01T12:00:00Z", "set the clock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := put(t, test.cert, test.key)
			before := content(t, dir)
			_, err := Open(Options{Dir: dir, Now: func() time.Time { return test.now }})
			if err == nil {
				t.Fatal("the CA was loaded")
			}
			got := strings.ReplaceAll(filepath.ToSlash(err.Error()), filepath.ToSlash(dir), "DIR")
			if !strings.HasPrefix(got, "loading the CA: "+test.want) || !strings.HasSuffix(got, test.cure) || strings.Contains(got, "\n") {
				t.Errorf("error is %q, want %q … %q", got, test.want, test.cure)
			}
			checkNoSecret(t, got, testenv.KeyPEM(t, key))
			if after := content(t, dir); after != before {
				t.Errorf("the directory changed from %q to %q", before, after)
			}
		})
	}
}

// content shows all that is in dir.
func content(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		fmt.Fprintf(&all, "%s=%s;", path, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// crypto/rsa signs with no shorter key, and makes none for this test either.
func TestShortKeyIsRefused(t *testing.T) {
	t.Parallel()
	c := caOf("short")
	for bits, ok := range map[uint]bool{1023: false, 1024: true} {
		c.PublicKey = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
		if err := checkCA(c); (err == nil) != ok {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

func TestForeignDirectoryIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := content(t, dir)
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "ca.pem is missing") {
		t.Errorf("error is %v", err)
	}
	if after := content(t, dir); after != before {
		t.Errorf("the directory changed from %q to %q", before, after)
	}
}

func TestKeyModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := filepath.Join(t.TempDir(), "ca")
	open(t, Options{Dir: dir})
	key := filepath.Join(dir, "ca.key")
	for mode, ok := range map[os.FileMode]bool{
		0o600: true, 0o400: true, 0o640: true, 0o440: true,
		0o604: false, 0o660: false, 0o644: false, 0o620: false, 0o610: false, 0o601: false,
	} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		_, err := load(Options{Dir: dir}, time.Now())
		if ok && err != nil {
			t.Errorf("mode %o: %v", mode, err)
		}
		want := fmt.Sprintf("%s has mode %04o, so that others can read or change it; run: chmod 600 %s", key, mode, key)
		if !ok && (err == nil || err.Error() != want) {
			t.Errorf("mode %o: error is %v, want %s", mode, err, want)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("root reads every file, and modes do not matter on Windows")
	}
	dir := filepath.Join(t.TempDir(), "ca")
	open(t, Options{Dir: dir})
	for _, name := range []string{"ca.pem", "ca.key"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.HasSuffix(err.Error(), "let the user that runs tlslift read it") {
			t.Errorf("%s: error is %v", name, err)
		}
		if err := os.Chmod(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoFileAtAll(t *testing.T) {
	t.Parallel()
	for what, put := range map[string]func(path string) error{
		"directory":    func(path string) error { return os.Mkdir(path, 0o700) },
		"endless link": func(path string) error { return os.Symlink(path, path) },
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "ca.pem")
		if err := put(path); err != nil {
			t.Skipf("no %s here: %v", what, err)
		}
		_, err := Open(Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "; move the directory "+dir+" away") {
			t.Errorf("%s: error is %v", what, err)
		}
	}
}

// An operator's own intermediate CA works, with the leaf followed by what a
// client needs that knows only the root.
func TestOperatorsIntermediateCA(t *testing.T) {
	t.Parallel()
	rootKey, key := testenv.ECDSAKey(t), testenv.RSAKey(t, 0)
	root := testenv.Sign(t, caOf("root"), caOf("root"), rootKey, rootKey)
	template := caOf("proxies")
	template.ExcludedDNSDomains = []string{"secret.example"}
	middle := testenv.Sign(t, template, root, key, rootKey)
	unrelated := testenv.Sign(t, caOf("unrelated"), root, testenv.ECDSAKey(t), rootKey)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	dir := put(t, testenv.CertificatePEM(middle, root, unrelated), pkcs1)
	ca := open(t, Options{Dir: dir, Now: newClock().now})
	if ca.Created() || ca.Certificate().Subject.CommonName != "proxies" {
		t.Errorf("opened %s, created %t", ca, ca.Created())
	}
	cert, err := ca.Leaf("a.example", nil, Profile{})
	if err != nil {
		t.Fatal(err)
	}
	if len(cert.Certificate) != 2 || !bytes.Equal(cert.Certificate[1], middle.Raw) {
		t.Errorf("%d certificates are sent, want the leaf and the intermediate", len(cert.Certificate))
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	between.AddCert(middle)
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: "a.example", Roots: roots, Intermediates: between,
		CurrentTime: start}); err != nil {
		t.Error(err)
	}
	if ca.Covers("secret.example") || !ca.Covers("a.example") {
		t.Error("the constraints of the operator's CA are not seen")
	}
}

func TestKeyIsNeverShown(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{})
	secret, err := os.ReadFile(filepath.Join(ca.dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{ca, struct{ CA *CA }{ca}, []*CA{ca}} {
			got := fmt.Sprintf(verb, v)
			checkNoSecret(t, got, secret)
			if !strings.Contains(got, ca.Fingerprint()) {
				t.Errorf("%s shows %s", verb, got)
			}
		}
	}
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var out bytes.Buffer
		slog.New(handler(&out)).Info("opened", "ca", ca)
		checkNoSecret(t, out.String(), secret)
		if !strings.Contains(out.String(), ca.Fingerprint()) {
			t.Errorf("slog shows %s", out.String())
		}
	}
}

// checkNoSecret looks for the private numbers of the key in the forms in
// which they could appear.
func checkNoSecret(t *testing.T, text string, secretPEM []byte) {
	t.Helper()
	block, _ := pem.Decode(secretPEM)
	parsed, err := parsePKCS8(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range append(parsed.Primes, parsed.D) {
		for _, form := range []string{
			n.String(), hex.EncodeToString(n.Bytes()), fmt.Sprint(n.Bytes()), fmt.Sprint(n.Bits()),
			base64.StdEncoding.EncodeToString(n.Bytes()), string(n.Bytes()),
		} {
			// A part of it is bad enough.
			if strings.Contains(strings.ToLower(text), strings.ToLower(strings.Trim(form, "[]")[:24])) {
				t.Fatalf("the key is in %q", text)
			}
		}
	}
	for line := range strings.Lines(string(secretPEM)) {
		if strings.Contains(text, strings.TrimSpace(line)) {
			t.Fatalf("a line of ca.key is in %q", text)
		}
	}
}

// FuzzLoad: whatever the files hold, there is either a one-line error or a CA
// that has its own key.
func FuzzLoad(f *testing.F) {
	key, ecKey := testenv.RSAKey(f, 0), testenv.ECDSAKey(f)
	good, goodKey := testenv.CertificatePEM(testenv.Sign(f, caOf("a"), caOf("a"), key, key)), testenv.KeyPEM(f, key)
	f.Add(good, goodKey)
	f.Add(append(bytes.Clone(good), good...), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	f.Add(testenv.CertificatePEM(testenv.Sign(f, caOf("b"), caOf("b"), ecKey, ecKey)), testenv.KeyPEM(f, ecKey))
	f.Add(good[:300], goodKey[:300])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
		[]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, certFile, keyFile []byte) {
		a, err := parse("dir", certFile, keyFile)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if len(a.path) == 0 || !a.path[0].IsCA || !a.key.PublicKey.Equal(a.path[0].PublicKey) {
			t.Errorf("loaded %d certificates, of which the first is not the CA of the key", len(a.path))
		}
	})
}
