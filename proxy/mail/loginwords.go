package mail

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

func loginText(f *record.Failure) string {
	return fmt.Sprintf("%s (tlslift: %s)", f.Reason.Cause(), f.Reason)
}

func (smtp) offerLogins(cmd command, r reply, cram bool) reply {
	if cmd.verb != "EHLO" || !r.ok {
		return r
	}
	offered := strings.Join(mechanisms(cram), " ")
	lines := [][]byte{r.lines[0]}
	for _, line := range r.lines[1:] {
		if keyword(line) != "AUTH" {
			lines = append(lines, line)
		}
	}
	// Clients of before RFC 2554 look for the second form.
	lines = append(lines, []byte("250-AUTH "+offered), []byte("250-AUTH="+offered))
	return reply{lines: marked(lines), ok: true}
}

func (smtp) xoauth2(response string) (command, []string) {
	return command{kind: auth, verb: "AUTH"}, []string{"AUTH XOAUTH2 " + response}
}

func (smtp) signedIn(_ command, r reply) []byte { return r.bytes() }

func (smtp) refuseLogin(_ command, f *record.Failure) []byte {
	if f.Reply != nil {
		return f.Reply
	}
	return fmt.Appendf(nil, "%s %s\r\n", f.Reason.SMTPStatus(), loginText(f))
}

func (smtp) loginRequired(command) string { return "530 5.7.0 Authentication required\r\n" }

func (smtp) malformedLogin(command) string {
	return "501 5.5.2 Authentication cancelled or malformed\r\n"
}

func (smtp) mechanismUnknown(_ command, cram bool) string {
	return "504 5.5.4 Mechanism not supported; use " + strings.Join(mechanisms(cram), ", ") + "\r\n"
}

func (imap) offerLogins(_ command, r reply, cram bool) reply {
	lines := make([][]byte, len(r.lines))
	for n, line := range r.lines {
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
	return reply{lines: lines, ok: r.ok}
}

func (imap) xoauth2(response string) (command, []string) {
	return command{kind: auth, verb: "AUTHENTICATE", tag: behalf}, []string{behalf + " AUTHENTICATE XOAUTH2 " + response}
}

// signedIn gives the destination's reply the client's tag.
func (imap) signedIn(c command, r reply) []byte {
	lines := bytes.Clone(reply{lines: r.lines[:len(r.lines)-1]}.bytes())
	if len(r.lines) == 1 {
		lines = nil
	}
	_, rest, _ := bytes.Cut(r.lines[len(r.lines)-1], []byte(" "))
	return fmt.Appendf(lines, "%s %s\r\n", c.tag, rest)
}

func (imap) refuseLogin(c command, f *record.Failure) []byte {
	return fmt.Appendf(nil, "%s NO [%s] %s\r\n", c.tag, cmp.Or(f.Reason.IMAPCode(), "AUTHENTICATIONFAILED"), loginText(f))
}

func (imap) loginRequired(c command) string { return c.tag + " BAD Sign in first\r\n" }

func (imap) malformedLogin(c command) string {
	return c.tag + " BAD Authentication cancelled or malformed\r\n"
}

func (imap) mechanismUnknown(c command, cram bool) string {
	return c.tag + " NO Mechanism not supported; use " + strings.Join(mechanisms(cram), ", ") + "\r\n"
}

func (pop3) offerLogins(cmd command, r reply, cram bool) reply {
	if cmd.verb != "CAPA" || !r.ok {
		return r
	}
	lines := [][]byte{r.lines[0]}
	for _, line := range r.lines[1 : len(r.lines)-1] {
		if word, _ := cutWord(string(line)); word != "USER" && word != "SASL" && word != "STLS" {
			lines = append(lines, line)
		}
	}
	lines = append(lines, []byte("USER"), []byte("SASL "+strings.Join(mechanisms(cram), " ")), []byte("."))
	return reply{lines: lines, ok: true}
}

// xoauth2 takes the response on a line of its own: Microsoft 365 takes none with the
// command.
func (pop3) xoauth2(response string) (command, []string) {
	return command{kind: auth, verb: "AUTH"}, []string{"AUTH XOAUTH2", response}
}

func (pop3) signedIn(_ command, r reply) []byte { return r.bytes() }

func (pop3) refuseLogin(_ command, f *record.Failure) []byte {
	return fmt.Appendf(nil, "-ERR [%s] %s\r\n", f.Reason.POP3Code(), loginText(f))
}

func (pop3) loginRequired(command) string { return "-ERR Sign in first\r\n" }

func (pop3) malformedLogin(command) string { return "-ERR Authentication cancelled or malformed\r\n" }

func (pop3) mechanismUnknown(_ command, cram bool) string {
	return "-ERR Mechanism not supported; use " + strings.Join(mechanisms(cram), ", ") + "\r\n"
}
