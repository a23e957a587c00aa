package clientfile_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/policy"
)

// What is to be pasted is read back as what was meant, with every value of every option.
func TestEntryIsReadBack(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr("192.168.20.31")
	all := []clientfile.Options{
		{}, {Name: "scanner-2nd-floor"}, {Name: "a # name: {odd}"},
		{To: clientfile.Routes{SMTP: policy.Destination{Host: "smtp.hve.mx.microsoft", Port: 587}}},
		{To: clientfile.Routes{
			SMTP: policy.Destination{Host: "contoso.mail.protection.outlook.com", Port: 25},
			IMAP: policy.Destination{Host: "outlook.office365.com", Port: 993},
			POP3: policy.Destination{Host: "outlook.office365.com", Port: 995},
			TLS:  policy.Destination{Host: "outlook.office365.com", Port: 443},
		}},
		{Plaintext: clientfile.PlaintextAllow}, {Plaintext: clientfile.PlaintextRefuse},
		{RC4: true}, {DES: true}, {RC4: true, DES: true}, {DHBits: 1024}, {DHBits: 2048}, {SplitRecords: true}, {RecordSize: 512},
		{Leaf: clientfile.Leaf{CA: clientfile.CAOld}}, {Leaf: clientfile.Leaf{CA: clientfile.CANew}},
		{Leaf: clientfile.Leaf{Hash: clientfile.HashSHA256}}, {Leaf: clientfile.Leaf{Hash: clientfile.HashSHA1}},
		{Leaf: clientfile.Leaf{KeyType: clientfile.KeyTypeAuto}}, {Leaf: clientfile.Leaf{KeyType: clientfile.KeyTypeRSA}},
		{Leaf: clientfile.Leaf{KeyType: clientfile.KeyTypeECDSA}}, {Leaf: clientfile.Leaf{Bits: 1024}}, {Leaf: clientfile.Leaf{WithCA: true}},
		{
			Plaintext: clientfile.PlaintextAllow, RC4: true, DHBits: 2048, SplitRecords: true, RecordSize: 4096,
			Leaf: clientfile.Leaf{
				Hash: clientfile.HashSHA1, KeyType: clientfile.KeyTypeRSA, Bits: 1024, WithCA: true,
				NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
			},
		},
	}
	tried := map[string]bool{}
	for _, want := range all {
		noteFields(tried, reflect.ValueOf(want))
		text := clientfile.Entry(addr, want)
		table, err := clientfile.Parse([]byte("clients:\n" + text))
		if err != nil {
			t.Fatalf("%+v: %v\n%s", want, err, text)
		}
		if want.Name == "" {
			want.Name = "client-192-168-20-31"
		}
		if got := table.Lookup(addr); got != want {
			t.Errorf("got %+v, want %+v of\n%s", got, want, text)
		}
	}
	for _, of := range []reflect.Type{reflect.TypeFor[clientfile.Options](), reflect.TypeFor[clientfile.Leaf]()} {
		for i := range of.NumField() {
			if name := of.Field(i).Name; !tried[name] {
				t.Errorf("%s.%s is not tried: an entry has to have it, too", of.Name(), name)
			}
		}
	}
	for _, odd := range []string{"fe80::1%eth0", "::ffff:10.0.0.7", "fd00::31"} {
		text := clientfile.Entry(netip.MustParseAddr(odd), clientfile.Options{Name: "10.0.0.7"})
		if _, err := clientfile.Parse([]byte("clients:\n" + text)); err != nil {
			t.Errorf("%s: %v\n%s", odd, err, text)
		}
	}
}

// noteFields notes which fields of options are not zero.
func noteFields(tried map[string]bool, v reflect.Value) {
	for i := range v.NumField() {
		if field := v.Field(i); !field.IsZero() {
			tried[v.Type().Field(i).Name] = true
			if field.Type() == reflect.TypeFor[clientfile.Leaf]() {
				noteFields(tried, field)
			}
		}
	}
}
