package fakem365

import "github.com/emersion/go-sasl"

// SASL is the server's side of a login: Next is given what the client answers,
// nil for nothing, and returns what to ask it next and whether that was all.
type SASL = sasl.Server

// RefuseToken returns AUTH XOAUTH2 for tokens that are never good: whatever the
// client sends, it is answered with refusal.
func RefuseToken(refusal error) SASL { return tokenLogin{refusal} }

type tokenLogin struct{ refusal error }

func (t tokenLogin) Next(response []byte) ([]byte, bool, error) {
	if response == nil {
		return nil, false, nil
	}
	return nil, true, t.refusal
}

// passwordLogin is AUTH LOGIN, of which there is a draft only
// (draft-murchison-sasl-login): two questions with an answer each, the first
// of which may come with the command.
type passwordLogin struct {
	open    func(address, password string) error
	named   bool
	address string
}

func (l *passwordLogin) Next(response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case !l.named:
		l.named, l.address = true, string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.open(l.address, string(response))
}
