package fakem365

import (
	"strings"

	"github.com/emersion/go-sasl"
)

// SASL is the server's side of a login: Next is given what the client answers,
// nil for nothing, and returns what to ask it next and whether that was all.
type SASL = sasl.Server

// A TokenLogin is AUTH XOAUTH2: one answer, which may come with the command.
type TokenLogin struct {
	// Open opens a mailbox by a token, or returns what the client is refused with.
	// Of an answer that is malformed, both are empty.
	Open func(mailbox, token string) error
	// Challenge asks the client once more before it is refused, as Google does: with
	// JSON that says why, for which the client sends an empty line. False refuses it
	// at once, as Microsoft does.
	Challenge bool

	refusal error // to be sent after the challenge
}

// googleChallenge is what Google says of a token that it does not take.
const googleChallenge = `{"status":"401","schemes":"Bearer","scope":"https://outlook.office365.com/"}`

// Next takes an answer of the client.
func (t *TokenLogin) Next(response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return []byte{}, false, nil
	case t.refusal != nil:
		return nil, true, t.refusal
	}
	err := t.Open(parseXOAUTH2(string(response)))
	if err != nil && t.Challenge {
		t.refusal = err
		return []byte(googleChallenge), false, nil
	}
	return nil, true, err
}

// parseXOAUTH2 returns the mailbox and the token in an answer, or nothing.
func parseXOAUTH2(response string) (mailbox, token string) {
	rest, isUser := strings.CutPrefix(response, "user=")
	mailbox, rest, isTwo := strings.Cut(rest, "\x01auth=Bearer ")
	token, isEnd := strings.CutSuffix(rest, "\x01\x01")
	if !isUser || !isTwo || !isEnd || strings.Contains(token, "\x01") {
		return "", ""
	}
	return mailbox, token
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
