package localca

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

func TestMirroredNames(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{Permitted: []string{"outlook.com", "office.example"}})
	many := make([]string, 0, 300)
	for i := range cap(many) {
		many = append(many, fmt.Sprintf("n%d.outlook.com", i))
	}
	for what, test := range map[string]struct{ mirror, want []string }{
		"none":           {nil, nil},
		"the same":       {[]string{"a.outlook.com", "A.OUTLOOK.com"}, nil},
		"twice":          {[]string{"b.outlook.com", "B.outlook.com"}, []string{"b.outlook.com"}},
		"wildcards":      {[]string{"*.outlook.com", "*.hotmail.com", "*.com", "*"}, []string{"*.outlook.com"}},
		"outside":        {[]string{"hotmail.com", "xoutlook.com", "outlook.com.evil.example", "outlook.com"}, []string{"outlook.com"}},
		"not host names": {[]string{"", "f*.outlook.com", "*.*.outlook.com", "a b.outlook.com", "ä.outlook.com", "outlook.com."}, nil},
		"too many":       {many, many[:99]},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := leaf(t, ca, "a.outlook.com", test.mirror...)
			if want := append([]string{"a.outlook.com"}, test.want...); !slices.Equal(c.DNSNames, want) {
				t.Errorf("names are %q, want %q", c.DNSNames, want)
			}
			if err := verify(ca, c, "a.outlook.com", time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Covers must say what a verifier says, here that of crypto/x509.
func TestCoversIsWhatVerifiersSay(t *testing.T) {
	t.Parallel()
	key := testenv.RSAKey(t, 0)
	for what, template := range map[string]*x509.Certificate{
		"free":          {},
		"permitted":     {PermittedDNSDomains: []string{"A.example", "b.a.example", "c.example"}},
		"leading dot":   {PermittedDNSDomains: []string{".a.example"}},
		"excluded":      {ExcludedDNSDomains: []string{"X.a.example"}},
		"both":          {PermittedDNSDomains: []string{"a.example"}, ExcludedDNSDomains: []string{"x.a.example", "y.z.a.example"}},
		"addresses":     {PermittedIPRanges: []*net.IPNet{{IP: net.IP{10, 0, 0, 0}, Mask: net.CIDRMask(8, 32)}}},
		"all excluded":  {ExcludedDNSDomains: []string{""}},
		"all permitted": {PermittedDNSDomains: []string{""}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := caOf(what)
			c.PermittedDNSDomains, c.ExcludedDNSDomains = template.PermittedDNSDomains, template.ExcludedDNSDomains
			c.PermittedIPRanges = template.PermittedIPRanges
			ca := open(t, Options{Dir: put(t, testenv.CertificatePEM(testenv.Sign(t, c, c, key, key)), testenv.KeyPEM(t, key)), Now: newClock().now})
			for _, name := range []string{
				"a.example", "x.a.example", "w.x.a.example", "b.a.example", "*.a.example", "*.x.a.example", "*.z.a.example",
				"aa.example", "c.example", "d.c.example", "example", "b.example", "a.example.evil",
			} {
				cert, err := ca.sign(leafTemplate([]string{name}, start, start.Add(time.Hour)), key, nil)
				if err != nil {
					t.Fatal(err)
				}
				err = verify(ca, cert.Leaf, "", start)
				if got := ca.Covers(strings.ToUpper(name)); got != (err == nil) {
					t.Errorf("Covers(%s) is %t, crypto/x509 says %v", name, got, err)
				}
			}
		})
	}
}

func TestLeafOutsideTheConstraints(t *testing.T) {
	t.Parallel()
	ca := open(t, Options{Permitted: []string{"outlook.com"}})
	c := leaf(t, ca, "new.example", "outlook.com")
	if !slices.Equal(c.DNSNames, []string{"new.example", "outlook.com"}) {
		t.Errorf("names are %q", c.DNSNames)
	}
	if err := verify(ca, c, "new.example", time.Now()); err == nil {
		t.Error("crypto/x509 accepts a name outside the constraints")
	}
}
