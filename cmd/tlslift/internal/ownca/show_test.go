package ownca

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/localca"
)

func shown(t *testing.T, h *Home, asJSON bool) string {
	t.Helper()
	var b strings.Builder
	if err := h.Show(t.Context(), &b, asJSON); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestShowSaysWhatAPanelShows(t *testing.T) {
	t.Parallel()
	h := newHome(t, "TLSLIFT_CA_NAMES=mail")
	ca := current(t, h)
	got := shown(t, h, false)
	for _, want := range []string{
		"CA in use\n", ca.CertificateFile(), ca.Fingerprint(), localca.FingerprintSHA1(ca.Certificate()), "days left)", "RSA, 2048 bits",
		"Signs for            servers\n", "office365.com", "all IPv4 addresses, all IPv6 addresses", "nothing: it is limited as far as it can be",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	var answer struct{ Authorities []Shown }
	if err := json.Unmarshal([]byte(shown(t, h, true)), &answer); err != nil || len(answer.Authorities) != 1 ||
		answer.Authorities[0].SHA256 != ca.Fingerprint() || answer.Authorities[0].State != "current" || answer.Authorities[0].Open == nil {
		t.Errorf("%+v, %v", answer, err)
	}
	h.now = time.Now().AddDate(20, 0, 0)
	if got := shown(t, h, false); !strings.Contains(got, "(expired)") {
		t.Errorf("got %s", got)
	}
}

// It needs no key: who may read the certificate only, sees all.
func TestShowReadsNoKey(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if err := os.Remove(filepath.Join(h.options.Dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, h, false); !strings.Contains(got, current(t, h).Fingerprint()) {
		t.Errorf("got %s", got)
	}
}
