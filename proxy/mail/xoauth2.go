package mail

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tlslift/tlslift/proxy/dialogue"
	"github.com/tlslift/tlslift/proxy/mail/dialect"
	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
)

// maxChallenges is more than the one in which a server tells its error.
const maxChallenges = 3

// authenticate signs in at the destination with XOAUTH2. The error is a
// *record.Failure: mailbox_refused, or what is known of the destination's words.
func (u *upstream) authenticate(up *side, mailbox, token string) (dialect.Reply, error) {
	if err := u.introduce(up); err != nil {
		return dialect.Reply{}, err
	}
	response := sasl.XOAUTH2(mailbox, token)
	secret := repeated(response, token)
	cmd, lines := u.XOAUTH2(response)
	if r, err := u.checkDrained(up, cmd); err != nil {
		return r, err
	}
	var told string
	for range maxChallenges {
		line := "" // its answer to a challenge that tells an error is its reply
		if len(lines) > 0 {
			line, lines = lines[0], lines[1:]
		}
		if err := up.write([]byte(line + "\r\n")); err != nil {
			return dialect.Reply{}, err
		}
		r, err := up.read(u.Dialect, cmd)
		for n, line := range r.Lines {
			r.Lines[n] = secret.ReplaceAll(line, []byte(instead))
		}
		switch {
		case err != nil && u.Closes(r):
			return r, rejection(r.Bytes())
		case err != nil:
			return r, err
		case r.OK:
			return r, nil
		case !r.GoesOn:
			return r, u.refused(r, told)
		case len(lines) == 0:
			told = netname.Cut(secret.ReplaceAllString(challengeText(r.Lines[len(r.Lines)-1]), instead), maxShown)
		}
	}
	return dialect.Reply{}, up.malformedError(errors.New("the dialogue of AUTH XOAUTH2 does not end"))
}

// refused is the destination's refusal of a token, or of any for now.
func (u *upstream) refused(r dialect.Reply, told string) *record.Failure {
	if u.Closes(r) {
		return rejection(r.Bytes())
	}
	reason := u.refusalReason(string(r.Lines[len(r.Lines)-1]))
	if u.cfg.Protocol == record.ProtocolSMTP {
		switch known := dialogue.ReasonOf(r.Bytes()); known {
		case "", record.ReasonSMTPAuthFailed:
		case record.ReasonSMTPAuthMechanism: // it is ours, not the client's
			reason = record.ReasonUpstreamNoXOAUTH2
		default:
			reason = known
		}
	}
	err := fmt.Errorf("the destination said %q", lastLine(r.Bytes()))
	if told != "" {
		err = fmt.Errorf("%w and %q", err, told)
	}
	f := record.Fail(reason, err)
	if u.cfg.Protocol == record.ProtocolSMTP {
		f.Reply = r.Bytes() // in the device's words
	}
	return f
}

// refusalReason returns the reason of a refusal that is not known by its text: one that
// is not for the token says nothing of the mailbox, and another token does not help.
func (u *upstream) refusalReason(line string) record.Reason {
	words := strings.Fields(line)
	switch p := u.cfg.Protocol; {
	case p == record.ProtocolSMTP && strings.HasPrefix(line, "4"):
		return record.ReasonSMTPRejected
	case p == record.ProtocolIMAP && len(words) > 2 && dialogue.IsTemporary(words[2]),
		p == record.ProtocolPOP3 && len(words) > 1 && dialogue.IsTemporary(words[1]):
		return record.ReasonUpstreamRefusedSession
	}
	return record.ReasonMailboxRefused
}

// recognized is how much of a secret is enough to know it in a reply, which may have only
// its beginning.
const recognized = 12

// repeated finds secrets in a reply: a server may answer with the command that it did not
// understand, and what it says gets into errors and to the client.
func repeated(secrets ...string) *regexp.Regexp {
	var beginnings []string
	for _, secret := range secrets {
		if secret != "" {
			beginnings = append(beginnings, regexp.QuoteMeta(secret[:min(len(secret), recognized)]))
		}
	}
	return regexp.MustCompile(`(?i)(?:` + strings.Join(beginnings, "|") + `)\S*`)
}

// instead stands in the place of a secret that was found.
const instead = "[token]"

// challengeText returns what a challenge tells.
func challengeText(line []byte) string {
	_, encoded, _ := strings.Cut(string(line), " ")
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		text = []byte(encoded)
	}
	return string(text)
}
