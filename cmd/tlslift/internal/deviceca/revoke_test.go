package deviceca

import (
	"crypto/x509"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func shown(t *testing.T, h *Home, asJSON bool) string {
	t.Helper()
	var b strings.Builder
	if err := h.List(&b, asJSON); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRevokeBySerialAndName(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, name := range []string{"copier", "copier", "scanner"} {
		issue(t, h, ordinary(t, name))
	}
	all := listed(t, h)
	colons := all[0].Serial[:2] + ":" + strings.ToLower(all[0].Serial[2:])
	for _, test := range []struct {
		revocation Revocation
		says, err  string
		revoked    int
	}{
		{Revocation{Asked: "nobody"}, "", `"nobody"; tlslift ca issued lists all`, 0},
		{Revocation{Asked: "copier"}, "", "copier has 2 valid certificates; give the serial number of one, or --all:\n  " + all[0].Serial, 0},
		{Revocation{Asked: colons, Reason: "SUPERSEDED"}, all[0].Serial + " of copier is revoked", "", 1},
		{Revocation{Asked: all[0].Serial}, "was revoked at", "", 1},
		{Revocation{Asked: "copier"}, all[1].Serial, "", 2},
		{Revocation{Asked: "copier"}, "", "no valid certificate", 2},
		{Revocation{Asked: "scanner", Reason: "stolen"}, "", `--reason: "stolen" is not a reason; use one of unspecified, keyCompromise`, 2},
		{Revocation{Asked: "scanner", All: true}, all[2].Serial, "", 3},
	} {
		said, err := revoke(h, test.revocation)
		if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) || !strings.Contains(said, test.says) {
			t.Errorf("%+v: %v, %s", test.revocation, err, said)
		}
		revoked := 0
		for _, i := range listed(t, h) {
			if !i.Revoked.IsZero() {
				revoked++
			}
		}
		if revoked != test.revoked {
			t.Errorf("%+v: %d are revoked, want %d", test.revocation, revoked, test.revoked)
		}
	}
	if got := listed(t, h)[0].Reason; got != "superseded" {
		t.Errorf("the reason is %q", got)
	}
}

// The list of what was issued has all, and says nothing that a terminal does not print.
func TestIssuedAreListed(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	said := shown(t, h, false)
	if !strings.Contains(said, "no certificate was issued") || !strings.Contains(said, public(t, h).Fingerprint()) {
		t.Errorf("it shows %s", said)
	}
	issue(t, h, named(ordinary(t, "copier"), "copier.contoso.local"))
	issue(t, h, ordinary(t, "scanner"))
	if _, err := revoke(h, Revocation{Asked: "scanner"}); err != nil {
		t.Fatal(err)
	}
	said = shown(t, h, false)
	for _, want := range []string{
		"copier", "  valid  ", "client; server copier.contoso.local", "scanner", "  revoked 20", "Not for ", "every host name that",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in %s", want, said)
		}
	}
	var answer listAnswer
	err := json.Unmarshal([]byte(shown(t, h, true)), &answer)
	if err != nil || len(answer.Issued) != 2 || answer.Issued[0].Name != "scanner" ||
		answer.Authority.SHA256 != public(t, h).Fingerprint() || len(answer.Authority.Open) != 1 {
		t.Errorf("%v, %+v", err, answer)
	}
	if got := h.Names(); len(got) != 1 || got[0] != "copier" {
		t.Errorf("it completes %q", got)
	}
	err = h.change(func(r *register) error {
		r.Issued[0].Name, r.Issued[0].DNS, r.Issued[0].Until = "co\x1b[1mpier", []string{"\x1b]0;x\a"}, h.now().Add(-time.Hour)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if said := shown(t, h, false); strings.ContainsAny(said, "\x1b\a") || !strings.Contains(said, "  expired  ") {
		t.Errorf("it shows %q", said)
	}
	h.now = func() time.Time { return time.Now().Add(2 * keepExpired) }
	if err := h.change(func(*register) error { return nil }); err != nil || len(listed(t, h)) > 0 {
		t.Errorf("%v, and long after all has expired there is %v", err, listed(t, h))
	}
	if _, err := revoke(emptyHome(t), Revocation{Asked: "copier"}); err == nil || !strings.Contains(err.Error(), "there is no device CA") {
		t.Errorf("without a CA: %v", err)
	}
}

// A list takes nothing back before it has expired, also after the register was restored from
// before; what has expired leaves it.
func TestListTakesNothingBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	entry := func(n int64, reason int) x509.RevocationListEntry {
		return x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: now.Add(-time.Hour), ReasonCode: reason}
	}
	one := func(serial string, until time.Duration, revoked bool) Issued {
		i := Issued{Serial: serial, Until: now.Add(until)}
		if revoked {
			i.Revoked, i.Reason = now.Add(-time.Hour), "keyCompromise"
		}
		return i
	}
	for what, test := range map[string]struct {
		issued []Issued
		before []x509.RevocationListEntry
		want   int
	}{
		"nothing":                            {[]Issued{one("7", time.Hour, false)}, nil, 0},
		"revoked":                            {[]Issued{one("7", time.Hour, true)}, nil, 1},
		"revoked, and in the list":           {[]Issued{one("7", time.Hour, true)}, []x509.RevocationListEntry{entry(7, 1)}, 1},
		"the register does not know of it":   {[]Issued{one("7", time.Hour, false)}, []x509.RevocationListEntry{entry(7, 0)}, 1},
		"the register does not have it":      {nil, []x509.RevocationListEntry{entry(7, 1), entry(8, 0)}, 2},
		"just expired":                       {[]Issued{one("7", -time.Hour, true)}, nil, 1},
		"expired long ago":                   {[]Issued{one("7", -afterwards, true)}, []x509.RevocationListEntry{entry(7, 1)}, 0},
		"expired, and in the list only":      {[]Issued{one("7", -afterwards, false)}, []x509.RevocationListEntry{entry(7, 1)}, 0},
		"one that is new, and one of before": {[]Issued{one("9", time.Hour, true)}, []x509.RevocationListEntry{entry(7, 1)}, 2},
	} {
		if got := (register{test.issued}).revoked(test.before, now); len(got) != test.want {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// A register that is missing or broken is an error that names the file, and never an empty one.
func TestBrokenRegister(t *testing.T) {
	t.Parallel()
	for want, content := range map[string]string{
		"is missing":         "",
		"is broken":          "{",
		"a serial number":    `{"issued":[{"serial":"x","until":"2027-01-01T00:00:00Z"}]}`,
		"a reason":           `{"issued":[{"serial":"0123456789ABCDEF0123456789ABCDEF","until":"2027-01-01T00:00:00Z","reason":"x"}]}`,
		"or a date":          `{"issued":[{"serial":"0123456789ABCDEF0123456789ABCDEF"}]}`,
		"has more than 8388": strings.Repeat(" ", maxRegister+1),
	} {
		h := newHome(t)
		path := filepath.Join(h.options.Dir, registerName)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if content != "" {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		source := NewSource(h.cfg.StateDir)
		_, sourceErr := source.Now()
		_, _, issueErr := run(t, h, ordinary(t, "copier"))
		_, revokeErr := revoke(h, Revocation{Asked: "copier"})
		for what, err := range map[string]error{
			"service": sourceErr, "issue": issueErr, "revoke": revokeErr, "issued": h.List(&strings.Builder{}, false),
		} {
			if err == nil || what != "service" && !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), registerName) {
				t.Errorf("%s: %q: %v", what, want, err)
			}
		}
	}
}

func FuzzParseRegister(f *testing.F) {
	f.Add([]byte(`{"issued": [{"serial": "0123456789ABCDEF0123456789ABCDEF", "name": "copier", "until": "2027-01-01T00:00:00Z",
		"reason": "superseded"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRegister(text)
		if err != nil {
			return
		}
		for _, e := range r.revoked(nil, time.Unix(0, 0)) {
			if e.SerialNumber == nil || e.ReasonCode < 0 {
				t.Errorf("%+v", e)
			}
		}
	})
}
