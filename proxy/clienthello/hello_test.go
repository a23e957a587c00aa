package clienthello

import "testing"

func TestVersions(t *testing.T) {
	t.Parallel()
	const ssl20, ssl30, tls10, tls11, tls12, tls13 = 0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
	every := []uint16{ssl20, ssl30, tls10, tls11, tls12, tls13, 0x7f1c}
	for name, tt := range map[string]struct {
		version uint16
		listed  []uint16
		max     uint16
		offers  []uint16
	}{
		"SSL 2.0":                        {ssl20, nil, ssl20, []uint16{ssl20}},
		"SSL 3.0":                        {ssl30, nil, ssl30, []uint16{ssl30}},
		"TLS 1.0":                        {tls10, nil, tls10, []uint16{tls10}},
		"TLS 1.1":                        {tls11, nil, tls11, []uint16{tls10, tls11}},
		"TLS 1.2":                        {tls12, nil, tls12, []uint16{tls10, tls11, tls12}},
		"TLS 1.3 by the old field":       {tls13, nil, tls12, []uint16{tls10, tls11, tls12}},
		"4.0 by the old field":           {0x0400, nil, tls12, []uint16{tls10, tls11, tls12}},
		"TLS 1.3 and 1.2":                {tls12, []uint16{tls13, tls12}, tls13, []uint16{tls13, tls12}},
		"worst first":                    {tls12, []uint16{tls10, tls12, tls11}, tls12, []uint16{tls10, tls11, tls12}},
		"TLS 1.3 only":                   {tls12, []uint16{tls13}, tls13, []uint16{tls13}},
		"TLS 1.1 only":                   {tls12, []uint16{tls11}, tls11, []uint16{tls11}},
		"listed, but a newer old field":  {0x0400, []uint16{tls13}, tls13, []uint16{tls13}},
		"listed, but an older old field": {tls10, []uint16{tls13, tls10}, tls13, []uint16{tls13, tls10}},
		"draft beside TLS 1.2":           {tls12, []uint16{0x7f1c, tls12}, tls12, []uint16{0x7f1c, tls12}},
		"draft only":                     {tls12, []uint16{0x7f1c}, 0x7f1c, []uint16{0x7f1c}},
	} {
		h := &Hello{Version: tt.version, SupportedVersions: tt.listed}
		if got := h.MaxVersion(); got != tt.max {
			t.Errorf("%s: at most %04x, want %04x", name, got, tt.max)
		}
		offers := map[uint16]bool{}
		for _, v := range tt.offers {
			offers[v] = true
		}
		for _, v := range every {
			if got := h.Offers(v); got != offers[v] {
				t.Errorf("%s: offers %s: %v", name, VersionName(v), got)
			}
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for v, want := range map[uint16]string{
		0x0002: "SSL 2.0", 0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1",
		0x0303: "TLS 1.2", 0x0304: "TLS 1.3", 0x0305: "0x0305", 0x0505: "0x0505", 0: "0x0000",
	} {
		if got := VersionName(v); got != want {
			t.Errorf("%04x is called %q, want %q", v, got, want)
		}
	}
	if Record.String() != "record" || SSLv2.String() != "SSLv2" {
		t.Errorf("formats are called %v and %v", Record, SSLv2)
	}
}
