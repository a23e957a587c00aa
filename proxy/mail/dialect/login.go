package dialect

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
)

// mechanisms are those that a client is offered.
func mechanisms(cram bool) []string {
	offered := []string{sasl.Plain, sasl.Login}
	if cram {
		offered = append(offered, sasl.CRAMMD5)
	}
	return offered
}

// IsChallenge reports whether a line goes on with the dialogue of a sign-in (RFC 4954,
// 9051 and 5034).
func IsChallenge(line []byte) bool {
	return bytes.HasPrefix(line, []byte("334")) || string(line) == "+" || bytes.HasPrefix(line, []byte("+ "))
}

func loginText(f *record.Failure) string {
	return fmt.Sprintf("%s (tlslift: %s)", f.Reason.Cause(), f.Reason)
}

func (smtp) OfferLogins(cmd Command, r Reply, cram bool) Reply {
	if cmd.Verb != "EHLO" || !r.OK {
		return r
	}
	offered := strings.Join(mechanisms(cram), " ")
	lines := [][]byte{r.Lines[0]}
	for _, line := range r.Lines[1:] {
		if keyword(line) != "AUTH" {
			lines = append(lines, line)
		}
	}
	// Clients of before RFC 2554 look for the second form.
	lines = append(lines, []byte("250-AUTH "+offered), []byte("250-AUTH="+offered))
	return Reply{Lines: marked(lines), OK: true}
}

func (smtp) XOAUTH2(response string) (Command, []string) {
	return Command{Kind: Auth, Verb: "AUTH"}, []string{"AUTH XOAUTH2 " + response}
}

func (smtp) SignedIn(_ Command, r Reply) []byte { return r.Bytes() }

func (smtp) RefuseLogin(_ Command, f *record.Failure) []byte {
	if f.Reply != nil {
		return f.Reply
	}
	return fmt.Appendf(nil, "%s %s\r\n", f.Reason.SMTPStatus(), loginText(f))
}

func (smtp) StartTLSTooLate(Command) string { return "503 5.5.1 STARTTLS is not available now\r\n" }

func (smtp) NeedsLogin(cmd Command) bool { return cmd.Verb == "MAIL" }

func (smtp) LoginRequired(Command) string { return "530 5.7.0 Authentication required\r\n" }

func (smtp) MalformedLogin(Command) string {
	return "501 5.5.2 Authentication cancelled or malformed\r\n"
}

func (smtp) SignedInAlready(Command) string { return "503 5.5.1 Already signed in\r\n" }

func (smtp) MechanismUnknown(_ Command, cram bool) string {
	return "504 5.5.4 Mechanism not supported; use " + strings.Join(mechanisms(cram), ", ") + "\r\n"
}

func (imap) OfferLogins(_ Command, r Reply, cram bool) Reply {
	lines := make([][]byte, len(r.Lines))
	for n, line := range r.Lines {
		list, is := capabilities(line)
		if !is {
			lines[n] = withoutCapabilityCode(line)
			continue
		}
		var kept []string
		for _, word := range list {
			switch name := upper(word); {
			case name == "SASL-IR", name == "LOGINDISABLED", name == "STARTTLS", strings.HasPrefix(name, "AUTH="):
			default:
				kept = append(kept, word)
			}
		}
		for _, m := range mechanisms(cram) {
			kept = append(kept, "AUTH="+m)
		}
		lines[n] = []byte("* CAPABILITY " + strings.Join(append(kept, "SASL-IR"), " "))
	}
	return Reply{Lines: lines, OK: r.OK}
}

func (imap) XOAUTH2(response string) (Command, []string) {
	return Command{Kind: Auth, Verb: "AUTHENTICATE", Tag: behalf}, []string{behalf + " AUTHENTICATE XOAUTH2 " + response}
}

// SignedIn gives the destination's reply the client's tag.
func (imap) SignedIn(c Command, r Reply) []byte {
	lines := bytes.Clone(Reply{Lines: r.Lines[:len(r.Lines)-1]}.Bytes())
	if len(r.Lines) == 1 {
		lines = nil
	}
	_, rest, _ := bytes.Cut(r.Lines[len(r.Lines)-1], []byte(" "))
	return fmt.Appendf(lines, "%s %s\r\n", c.Tag, rest)
}

func (imap) RefuseLogin(c Command, f *record.Failure) []byte {
	return fmt.Appendf(nil, "%s NO [%s] %s\r\n", c.Tag, cmp.Or(f.Reason.IMAPCode(), "AUTHENTICATIONFAILED"), loginText(f))
}

func (imap) StartTLSTooLate(c Command) string {
	return c.Tag + " BAD STARTTLS is not available now\r\n"
}

func (imap) NeedsLogin(cmd Command) bool {
	switch cmd.Verb {
	case "SELECT", "EXAMINE", "LIST", "LSUB", "STATUS", "APPEND", "IDLE", "FETCH", "SEARCH", "STORE", "COPY", "UID":
		return true
	}
	return false
}

func (imap) LoginRequired(c Command) string { return c.Tag + " BAD Sign in first\r\n" }

func (imap) MalformedLogin(c Command) string {
	return c.Tag + " BAD Authentication cancelled or malformed\r\n"
}

func (imap) SignedInAlready(c Command) string { return c.Tag + " BAD Already signed in\r\n" }

func (imap) MechanismUnknown(c Command, cram bool) string {
	return c.Tag + " NO Mechanism not supported; use " + strings.Join(mechanisms(cram), ", ") + "\r\n"
}

func (pop3) OfferLogins(cmd Command, r Reply, cram bool) Reply {
	if cmd.Verb != "CAPA" || !r.OK {
		return r
	}
	lines := [][]byte{r.Lines[0]}
	for _, line := range r.Lines[1 : len(r.Lines)-1] {
		if word, _ := cutWord(string(line)); word != "USER" && word != "SASL" && word != "STLS" {
			lines = append(lines, line)
		}
	}
	lines = append(lines, []byte("USER"), []byte("SASL "+strings.Join(mechanisms(cram), " ")), []byte("."))
	return Reply{Lines: lines, OK: true}
}

// XOAUTH2 takes the response on a line of its own: Microsoft 365 takes none with the
// command.
func (pop3) XOAUTH2(response string) (Command, []string) {
	return Command{Kind: Auth, Verb: "AUTH"}, []string{"AUTH XOAUTH2", response}
}

func (pop3) SignedIn(_ Command, r Reply) []byte { return r.Bytes() }

func (pop3) RefuseLogin(_ Command, f *record.Failure) []byte {
	return fmt.Appendf(nil, "-ERR [%s] %s\r\n", f.Reason.POP3Code(), loginText(f))
}

func (pop3) StartTLSTooLate(Command) string { return "-ERR STLS is not available now\r\n" }

// NeedsLogin has APOP, which signs in with a secret of the server's.
func (pop3) NeedsLogin(cmd Command) bool {
	switch cmd.Verb {
	case "APOP", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE":
		return true
	}
	return false
}

func (pop3) LoginRequired(Command) string { return "-ERR Sign in first\r\n" }

func (pop3) MalformedLogin(Command) string { return "-ERR Authentication cancelled or malformed\r\n" }

func (pop3) SignedInAlready(Command) string { return "-ERR Already signed in\r\n" }

func (pop3) MechanismUnknown(_ Command, cram bool) string {
	return "-ERR Mechanism not supported; use " + strings.Join(mechanisms(cram), ", ") + "\r\n"
}
