package aescbc

import (
	"bytes"
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"
)

// With FIPS 140, what encrypts and decrypts is that of Go's module.
func TestEngineWithFIPS140(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEST_BINARY_WITH_FIPS140") != "" {
		key, iv := make([]byte, 16), make([]byte, 16)
		p := newPair(t, key, iv)
		if !fips140.Enabled() || p.Encrypter.slow == nil || p.decrypter.slow == nil {
			t.Error("it is not that of the module")
		}
		return
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run", "^TestEngineWithFIPS140$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=on", "TEST_BINARY_WITH_FIPS140=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestEngineWithFIPS140 ")) {
		t.Errorf("%v\n%s", err, out)
	}
}
