package listener

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
)

func TestParse(t *testing.T) {
	t.Parallel()
	to := policy.Destination{Host: "outlook.office365.com", Port: 443}
	for in, want := range map[string]URL{
		"proxy://127.0.0.1:3128":                    {Scheme: SchemeProxy, Address: "127.0.0.1:3128"},
		"proxy://:3128?plaintext=allow":             {Scheme: SchemeProxy, Address: ":3128", Plaintext: true},
		" proxy://:3128 ":                           {Scheme: SchemeProxy, Address: ":3128"},
		"proxy://[::1]:3128/":                       {Scheme: SchemeProxy, Address: "[::1]:3128"},
		"tls://:443":                                {Scheme: SchemeTLS, Address: ":443"},
		"tls://0.0.0.0:0?port=993":                  {Scheme: SchemeTLS, Address: "0.0.0.0:0", Port: 993},
		"tls://:8443?to=outlook.office365.com:443":  {Scheme: SchemeTLS, Address: ":8443", To: to},
		"smtp://:25":                                {Scheme: SchemeSMTP, Address: ":25"},
		"smtp://:25?wait=0":                         {Scheme: SchemeSMTP, Address: ":25", Wait: NoWait},
		"pop3://:110?wait=0s":                       {Scheme: SchemePOP3, Address: ":110", Wait: NoWait},
		"redirect://:3129?wait=0ms":                 {Scheme: SchemeRedirect, Address: ":3129", Wait: NoWait},
		"imap://:143?plaintext=allow&wait=1s":       {Scheme: SchemeIMAP, Address: ":143", Plaintext: true, Wait: time.Second},
		"pop3s://:995?to=outlook.office365.com:443": {Scheme: SchemePOP3S, Address: ":995", To: to},
		"smtp://:25?plaintext=refuse":               {Scheme: SchemeSMTP, Address: ":25"},
		"redirect://:3129":                          {Scheme: SchemeRedirect, Address: ":3129"},
		"tproxy://[::]:3129?unmatched=bypass&ports=2525:smtp&ports=4443:tls&sni=Contoso-com.mail.protection.outlook.com": {
			Scheme: SchemeTPROXY, Address: "[::]:3129", Bypass: true, SNI: "contoso-com.mail.protection.outlook.com",
			Ports: map[uint16]Scheme{2525: SchemeSMTP, 4443: SchemeTLS},
		},
		"tls://:8443?to=OUTLOOK.office365.com.%3A443": {Scheme: SchemeTLS, Address: ":8443", To: to},
	} {
		got, err := Parse(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v; want %+v", in, got, err, want)
		}
	}
}

// Every error names what is wrong and, where there is a choice, the choices.
func TestParseErrors(t *testing.T) {
	t.Parallel()
	for in, mention := range map[string]string{
		"":                                       "proxy://127.0.0.1:3128",
		"127.0.0.1:3128":                         "proxy://127.0.0.1:3128",
		"http://:3128":                           "proxy://, redirect://, smtp://, smtps://, tls://",
		"proxy://127.0.0.1":                      "port",
		"proxy://127.0.0.1:99999":                "port",
		"tls://0:0:0":                            "brackets",
		"proxy://*:3128":                         "leave it empty",
		"proxy://user@127.0.0.1:3128":            "only a scheme",
		"proxy://127.0.0.1:3128/path":            "only a scheme",
		"proxy://127.0.0.1:3128#x":               "only a scheme",
		"proxy://:3128?to=a.example:443":         "the only option of proxy:// is plaintext",
		"tls://:443?too=a.example:443":           "are to, port",
		"tls://:443?to=a.example":                "to",
		"tls://:443?to=192.0.2.1:443":            "to",
		"tls://:443?to=a.example:1&port=2":       "only makes sense",
		"tls://:443?to=a.example:1&to=b.ex:2":    "twice",
		"tls://:443?port=0":                      "not a port",
		"tls://:443?port=65536":                  "not a port",
		"tls://:443?a=%zz":                       "options",
		"smtps://:465?plaintext=allow":           "is to",
		"smtp://:25?plaintext=yes":               "allow, or refuse",
		"smtp://:25?wait=-1s":                    "between 0s and 30s",
		"smtp://:25?wait=-1ns":                   "200ms",
		"smtps://:465?wait=0":                    "is to",
		"smtp://:25?wait=5":                      "no unit",
		"imap://:143?wait=1h":                    "30s",
		"tls://:1?to=a.example:587":              "smtps://",
		"tls://:1?to=a.example:143":              "imaps://",
		"redirect://:1?to=a.example:1":           "are ports, sni, unmatched",
		"redirect://:1?ports=smtp":               "2525:smtp",
		"redirect://:1?ports=0:smtp":             "2525:smtp",
		"redirect://:1?ports=25:http":            "2525:smtp",
		"redirect://:1?ports=25:proxy":           "2525:smtp",
		"redirect://:1?ports=1:smtp,2:smtp":      "2525:smtp",
		"redirect://:1?ports=1:tls&ports=1:smtp": "twice",
		"redirect://:1?unmatched=yes":            "bypass, or refuse",
		"redirect://:1?sni=192.0.2.1":            "address",
		"redirect://:1?sni=a.example:1":          "sni",
		"tproxy://:1?port=25":                    "are ports",
		"tls://:1?port=110":                      "pop3s://",
	} {
		_, err := Parse(in)
		if err == nil || !strings.Contains(err.Error(), mention) {
			t.Errorf("%q: got %v, want an error that mentions %q", in, err, mention)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"proxy://127.0.0.1:3128", "tls://:443?to=outlook.office365.com:443", "tls://[::]:0?port=993",
		"smtp://:25?plaintext=allow&wait=200ms", "imap://:1?wait=0", "pop3s://:995", "tls://%:1",
		"tproxy://:1?ports=2525:smtp&ports=1:tls&sni=a.example&unmatched=bypass&plaintext=allow", "tls://0:0:0", "proxy://:1?",
		"tls://a:1?to=xn--bcher-kva.example:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := Parse(s)
		if err != nil {
			return
		}
		text, err := l.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(string(text))
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Errorf("%q became %q, which parses as %+v, %v", s, text, again, err)
		}
	})
}
