package dialogue

import (
	"fmt"

	"github.com/tlslift/tlslift/proxy/record"
)

// maxRecipients bounds the recipients of one mail that are told apart, and those of all
// mails that may still be tried again.
const maxRecipients = 512

// A refusal is a final negative reply to a step of a mail.
type refusal struct {
	at     stage
	reason record.Reason // empty if nothing was refused
	words  string        // the destination's where the whole session was refused, otherwise its codes
	number int           // counts the refusals of a session
}

// Refusals are what a destination has refused in a session and not accepted after that.
//
// A refused sign-in is made up for by one that succeeds. A mail is lost when it was
// refused at MAIL, at the end of its content, or for a recipient. Only that mail makes
// up for it, and not another one: the same sender and the same recipient, where the
// reply allowed to try again. Any mail that arrives makes up for a refused sign-in, or
// a refused session.
type refusals struct {
	session refusal // EHLO, or what a known reply says without being asked
	signIn  refusal
	lost    refusal            // the last mail that was refused for good
	again   map[mailTo]refusal // mails that may be tried again
	number  int                // of the last refusal

	recipients int // how many were refused
	mail       transaction
}

// A mailTo is one mail as one recipient would get it: hashes of the two addresses. The
// recipient is zero where the mail did not get that far.
type mailTo struct{ sender, recipient uint64 }

// A transaction is the mail that is being sent.
type transaction struct {
	sender  uint64
	to      []uint64 // the recipients that were accepted, up to a limit
	refused stage    // the last step that was refused; zero means none
}

// succeed takes back what a success shows not to matter. Whose is the hash of the
// address in the command.
func (r *refusals) succeed(at stage, whose uint64) {
	switch at {
	case auth:
		r.signIn = refusal{}
	case from:
		r.mail = transaction{sender: whose}
	case to:
		if len(r.mail.to) < maxRecipients {
			r.mail.to = append(r.mail.to, whose)
		}
	case content:
		r.session, r.signIn = refusal{}, refusal{}
		for _, recipient := range append(r.mail.to, 0) {
			delete(r.again, mailTo{r.mail.sender, recipient})
		}
		r.mail = transaction{}
	}
	if at <= content && (r.session.at == hello || r.session.at == greeting) {
		r.session = refusal{}
	}
}

// refuse notes a negative reply to a step of a mail, or one whose text is known. Final
// means that it is for good, so that the same mail will not arrive later.
func (r *refusals) refuse(f refusal, whose uint64, final bool) {
	r.number++
	f.number = r.number
	switch f.at {
	case auth:
		r.signIn = f
	case from:
		r.mail = transaction{sender: whose, refused: from}
		r.lose(f, final, 0)
	case to:
		r.mail.refused = to
		r.recipients++
		r.lose(f, final, whose)
	case data, chunk, content:
		r.lose(f, final, r.mail.to...)
		r.mail = transaction{refused: f.at}
	default:
		r.session = f
	}
}

// lose notes that the mail is lost for these recipients.
func (r *refusals) lose(f refusal, final bool, recipients ...uint64) {
	if final || len(recipients) == maxRecipients {
		r.lost = f // with more recipients it cannot be told whether all get it later
		return
	}
	if r.again == nil {
		r.again = map[mailTo]refusal{}
	}
	if len(recipients) == 0 {
		recipients = []uint64{0}
	}
	for _, recipient := range recipients {
		mail := mailTo{r.mail.sender, recipient}
		if _, known := r.again[mail]; !known && len(r.again) >= maxRecipients {
			r.lost = f
			return
		}
		r.again[mail] = f
	}
}

// standing returns the last refusal that nothing has made up for.
func (r *refusals) standing() refusal {
	last := r.lost
	for _, f := range []refusal{r.session, r.signIn} {
		if f.number > last.number {
			last = f
		}
	}
	for _, f := range r.again {
		if f.number > last.number {
			last = f
		}
	}
	return last
}

// isConsequence reports whether a reply says no more than that a step before it was
// refused.
func (r *refusals) isConsequence(at stage, code string) bool {
	switch {
	case at == to && r.mail.refused == from:
		return true
	case at == data || at == chunk || at == content: // without a recipient
		return r.mail.refused != 0 && len(r.mail.to) == 0
	}
	return code == "503" && r.standing().number > 0
}

// failure returns why a mail or a session did not get through; nil if all did.
func (r *refusals) failure() *record.Failure {
	f := r.standing()
	switch {
	case f.reason == "":
		return nil
	case f.reason == record.ReasonUpstreamRefusedSession:
		return refusedSession(f.words)
	case f.at == to:
		return record.Fail(f.reason, fmt.Errorf("the destination replied %s to RCPT; recipients refused: %d", f.words, r.recipients))
	}
	return record.Fail(f.reason, fmt.Errorf("the destination replied %s%s", f.words, toStage[f.at]))
}

// toStage says what a reply was to, where that is known.
var toStage = map[stage]string{
	auth: " to AUTH", from: " to MAIL", data: " to DATA", chunk: " to BDAT", content: " to the end of the mail",
}

// isFinal reports whether a negative reply to a step of a mail is for good. In the
// reply to a command some codes are about how it was asked, and not about the mail: the
// client may sign in, or leave out a parameter, and ask again.
func isFinal(at stage, code string) bool {
	if at == from || at == to {
		switch code {
		case "500", "501", "502", "503", "504", "530", "538", "555":
			return false
		}
	}
	return code[0] == '5'
}
