package devicetest

import "testing"

// What clients offer has its name, and else its number.
func TestNames(t *testing.T) {
	t.Parallel()
	ids := []uint16{0x0401, 0x0301, 0x0808, 0x080b, 0x9999}
	if got := names(ids, signatureText); got != "PKCS1WithSHA256, PKCS1WithSHA224, Ed448, PSSKeyWithSHA512, 39321" {
		t.Errorf("signatures: got %q", got)
	}
	if got := names([]uint16{29, 259, 9999}, groupText); got != "X25519, ffdhe6144, 9999" {
		t.Errorf("groups: got %q", got)
	}
	if got := names([]uint16{16, 9999}, extensionText); got != "ALPN, 9999" {
		t.Errorf("extensions: got %q", got)
	}
}
