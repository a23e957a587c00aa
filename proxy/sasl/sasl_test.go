package sasl

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A client says its login and password in one step or in two.
func TestExchange(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mechanism string
		responses []string // "-" is no initial response
		want      Credential
		wrong     bool
	}{
		"PLAIN":                        {"plain", []string{"-", "\x00a\x00b c"}, Credential{Login: "a", Password: "b c"}, false},
		"PLAIN, initial response":      {Plain, []string{"\x00a\x00b"}, Credential{Login: "a", Password: "b"}, false},
		"PLAIN for somebody else":      {Plain, []string{"boss\x00a\x00b"}, Credential{Login: "a", Password: "b"}, false},
		"PLAIN, empty password":        {Plain, []string{"\x00a\x00"}, Credential{Login: "a"}, false},
		"PLAIN without NUL":            {Plain, []string{"a b"}, Credential{}, true},
		"PLAIN with one NUL":           {Plain, []string{"a\x00b"}, Credential{}, true},
		"PLAIN with three NULs":        {Plain, []string{"\x00a\x00b\x00c"}, Credential{}, true},
		"PLAIN, empty":                 {Plain, []string{"-", ""}, Credential{}, true},
		"LOGIN":                        {Login, []string{"-", "a", "b"}, Credential{Login: "a", Password: "b"}, false},
		"LOGIN, initial response":      {Login, []string{"a", "b"}, Credential{Login: "a", Password: "b"}, false},
		"LOGIN, empty":                 {Login, []string{"-", "", ""}, Credential{}, false},
		"CRAM-MD5":                     {CRAMMD5, []string{"-", "a b 0123"}, Credential{Login: "a b", Digest: "0123"}, false},
		"CRAM-MD5 without digest":      {CRAMMD5, []string{"-", "a"}, Credential{}, true},
		"CRAM-MD5 with early response": {CRAMMD5, []string{"a 0123"}, Credential{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := NewExchange(tt.mechanism)
			var done bool
			var err error
			for _, text := range tt.responses {
				if done || err != nil {
					t.Fatalf("done %t, %v before %q", done, err, text)
				}
				response := []byte(text)
				if text == "-" {
					response = nil
				}
				_, done, err = e.Next(response)
			}
			if tt.wrong != errors.Is(err, ErrMalformed) || done == tt.wrong {
				t.Fatalf("done %t, %v", done, err)
			}
			got := e.Credential
			got.Challenge = ""
			if !tt.wrong && got != tt.want {
				t.Errorf("login %q, password %q, digest %q", got.Login, got.Password, got.Digest)
			}
		})
	}
}

// A challenge of CRAM-MD5 never comes twice, so that a digest is of no use again.
func TestChallengesDiffer(t *testing.T) {
	t.Parallel()
	first, _, err := NewExchange(CRAMMD5).Next(nil)
	second, _, err2 := NewExchange(CRAMMD5).Next(nil)
	if err != nil || err2 != nil || string(first) == string(second) || !strings.HasPrefix(string(first), "<") {
		t.Errorf("%q, %q, %v, %v", first, second, err, err2)
	}
}

func TestUnknownMechanism(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "DIGEST-MD5", "NTLM", "XOAUTH2", "PLAIN "} {
		if NewExchange(name) != nil {
			t.Errorf("%q is known", name)
		}
	}
}

// What clients write in the place of base64.
func TestDecode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "=": "", "YQ==": "a", "YQ": "a", "YWI=": "ab"} {
		if got, err := Decode(text); err != nil || string(got) != want || got == nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"*", "Y", "a b"} {
		if _, err := Decode(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// No way to print a credential shows the password.
func TestCredentialIsHidden(t *testing.T) {
	t.Parallel()
	c := Credential{Login: "copier", Password: "secret", Challenge: "secret", Digest: "secret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, "secret") {
			t.Errorf("%s: %s", verb, text)
		}
		if text := fmt.Sprintf(verb, &c); strings.Contains(text, "secret") {
			t.Errorf("%s of a pointer: %s", verb, text)
		}
	}
}

// The form that Microsoft documents.
func TestXOAUTH2(t *testing.T) {
	t.Parallel()
	const want = "dXNlcj1zY2FuQGNvbnRvc28uY29tAWF1dGg9QmVhcmVyIHRva2VuAQE="
	if got := XOAUTH2("scan@contoso.com", "token"); got != want {
		t.Errorf("got %s", got)
	}
}

// Whatever a client sends, an exchange ends in a few steps.
func FuzzExchange(f *testing.F) {
	f.Add(uint8(0), "\x00a\x00b", "", "")
	f.Add(uint8(1), "-", "a", "b")
	f.Add(uint8(2), "-", "a 00", "")
	f.Fuzz(func(t *testing.T, mechanism uint8, one, two, three string) {
		e := NewExchange([]string{Plain, Login, CRAMMD5}[mechanism%3])
		for i, text := range []string{one, two, three} {
			response, err := Decode(text)
			if err != nil {
				return
			}
			if i == 0 && text == "" {
				response = nil
			}
			_, done, err := e.Next(response)
			if done || err != nil {
				return
			}
		}
		t.Errorf("%s goes on after three responses", e.mechanism)
	})
}

// No part of a token is shown of what a server repeats.
func TestHideXOAUTH2(t *testing.T) {
	t.Parallel()
	const mailbox, token = "scan@contoso.com", "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwcyJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	response := XOAUTH2(mailbox, token)
	for said, want := range map[string]string{
		"500 unknown command AUTH XOAUTH2 " + response:              "500 unknown command AUTH XOAUTH2 [token]",
		`535 5.7.3 "` + response[:60] + `..." is bad`:               `535 5.7.3 "[token]" is bad`,
		"535 5.7.3 " + token + " has expired":                       "535 5.7.3 [token] has expired",
		"535 5.7.3 ..." + token[40:]:                                "535 5.7.3 [token]",
		"535 5.7.3 Authentication unsuccessful [fake.office365.us]": "535 5.7.3 Authentication unsuccessful [fake.office365.us]",
		"": "",
	} {
		if got := HideXOAUTH2(said, mailbox, token); got != want {
			t.Errorf("%q: got %q, want %q", said, got, want)
		}
	}
}
