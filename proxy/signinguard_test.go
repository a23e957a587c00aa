package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// Whatever is wrong with a login, a client hears the same, and nothing is asked of Entra
// or of the destination.
func TestSignInRefusesLogins(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	const want = "535 5.7.8 "
	said := map[string]bool{}
	for name, tt := range map[string]struct{ from, login, password string }{
		"wrong password":                      {copier, "copier1", "Wr0ng!"},
		"unknown login":                       {copier, "nobody", devicePassword},
		"login of another device":             {copier, "printer2", devicePassword},
		"wrong password where none is needed": {mappedC, "copier1", "Wr0ng!"},
	} {
		t.Run(name, func(t *testing.T) {
			d := w.device(tt.from, viaSMTP)
			said[d.want(plain(tt.login, tt.password), want)] = true
			d.quit()
			rec := w.expect(record.OutcomeRefused, record.ReasonSigninPasswordWrong)
			if line := fmt.Sprint(rec.Attrs()); strings.Contains(line, tt.password) || rec.Mailbox != "" || rec.Login != "" {
				t.Errorf("recorded as %s", line)
			}
		})
	}
	if len(said) != 1 {
		t.Errorf("clients hear different words: %v", said)
	}
	if n := w.entra.Counts().Token; n != 0 || len(w.mail.Messages()) != 0 {
		t.Errorf("%d token requests", n)
	}
}

// A client that is wrong three times has to connect again.
func TestSignInEndsASession(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	d := w.device(copier, viaSMTP)
	for range 3 {
		d.want(plain("copier1", "Wr0ng!"), "535 5.7.8 ")
	}
	d.wantEnd()
	w.expect(record.OutcomeRefused, record.ReasonSigninPasswordWrong)
	d = w.device(copier, viaSMTP)
	d.want(plain("copier1", "Wr0ng!"), "535 5.7.8 ")
	d.want(plain("copier1", devicePassword), "235 ")
	d.wantSent(scanner)
	d.quit()
	w.wantSignedIn("copier1", 1)
}

// While others guess its password, from one address and from many, the device itself gets
// in.
func TestSignInUnderAttack(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	d := w.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword), "235 ")
	d.quit()
	w.wantSignedIn("copier1", 0)

	const attackers = 12
	var guessing sync.WaitGroup
	first := make(chan string, attackers)
	for i := range attackers {
		from := "10.0.5.5"
		if i%2 == 1 {
			from = fmt.Sprintf("10.0.6.%d", i)
		}
		a := w.device(from, viaSMTP)
		guessing.Go(func() {
			got, err := a.ask(plain("copier1", fmt.Sprintf("guess %d", i)))
			first <- fmt.Sprint(got, err)
			_ = a.conn.Close()
		})
	}
	for range 3 { // the others are slowed down
		if got := <-first; !strings.HasPrefix(got, "535 5.7.8 ") {
			t.Errorf("an attacker hears %q", got)
		}
	}
	d = w.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword), "235 ")
	d.wantSent(scanner)
	d.quit()
	guessing.Wait()
	good := 0
	for range attackers + 1 {
		if rec := w.record(); rec.Reason == "" && rec.Accepted == 1 {
			good++
		} else if rec.Reason != record.ReasonSigninPasswordWrong {
			t.Errorf("recorded as %s (%v)", rec.Reason, rec.Err)
		}
	}
	if good != 1 {
		t.Errorf("%d mails arrived", good)
	}
}

// A mail whose sender the mailbox may not have is refused here, be it the first or a
// later one.
func TestSignInSenders(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	for _, from := range []string{copier, mappedC} {
		for good := range 3 {
			before := len(w.mail.Messages())
			d := w.device(from, viaSMTP)
			login := ""
			if from == copier {
				login = "copier1"
				d.want(plain(login, devicePassword), "235 ")
			}
			for i := range good {
				d.wantSent([]string{scanner, "a@scan.contoso.com"}[i%2])
			}
			d.want("MAIL FROM:<boss@contoso.com>", "550 5.7.60 ")
			d.wantEnd()
			rec := w.expect(record.OutcomeLifted, record.ReasonSenderNotAllowed)
			if rec.Accepted != good || len(w.mail.Messages()) != before+good || rec.Mailbox != scanner || rec.Login != login || !rec.SignedIn() {
				t.Errorf("after %d good mails: record %+v", good, rec)
			}
		}
	}
}

// A client that does not wait for answers is served all the same, and refused without
// any of its mail having passed.
func TestSignInPipelined(t *testing.T) {
	t.Parallel()
	const mail = "\r\nMAIL FROM:<scan@contoso.com>\r\nRCPT TO:<archive@contoso.com>\r\nDATA"
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	d := w.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword)+mail, "235 ")
	d.want("", "250 ")
	d.want("", "250 ")
	d.want("", "354 ")
	d.want("Subject: scan\r\n\r\nHere.\r\n.", "250 ")
	d.quit()
	w.wantSignedIn("copier1", 1)

	d = w.device(copier, viaSMTP)
	d.want(plain("copier1", "Wr0ng!")+mail, "535 5.7.8 ")
	d.want("", "530 5.7.0 ")
	_ = d.conn.Close()
	w.expect(record.OutcomeRefused, record.ReasonSigninPasswordWrong)

	// The content of one mail and the next MAIL may come together (RFC 2920 section 3.1).
	d = w.device(mappedC, viaSMTP)
	d.want(strings.TrimPrefix(mail, "\r\n"), "250 ")
	d.want("", "250 ")
	d.want("", "354 ")
	d.want("Subject: scan\r\n\r\nHere.\r\n.\r\nMAIL FROM:<boss@contoso.com>\r\nRCPT TO:<archive@contoso.com>", "250 ")
	d.want("", "550 5.7.60 ")
	d.wantEnd()
	rec := w.expect(record.OutcomeLifted, record.ReasonSenderNotAllowed)
	if n := len(w.mail.Messages()); rec.Accepted != 1 || n != 2 {
		t.Errorf("%d mails, record %+v", n, rec)
	}
}

// A client that has signed in gets no mail of another sender through, however it says it.
func TestSignInSmuggledSender(t *testing.T) {
	t.Parallel()
	const boss = "MAIL FROM:<boss@contoso.com>\r\nRCPT TO:<archive@contoso.com>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n."
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	for name, tt := range map[string]struct {
		sent    string
		replies []string
	}{
		"after DATA that is rejected":      {"DATA\r\nRSET\r\n" + boss, []string{"502 ", "250 ", "550 5.7.60 "}},
		"after a chunk's size with a sign": {"BDAT +400 LAST\r\nRSET\r\n" + boss, []string{"550 5.7.60 "}},
		"in quotes":                        {`MAIL FROM:<"a@scan.contoso.com>"@example.org>`, []string{"550 5.7.60 "}},
		"after a carriage return":          {"NOOP\r" + boss, []string{"550 5.7.60 "}},
		"beyond a domain that is allowed": {
			"MAIL FROM:<" + strings.Repeat("x", 238) + "@scan.contoso.com.example.org>", []string{"550 5.7.60 "},
		},
	} {
		d := w.device(copier, viaSMTP)
		d.want(plain("copier1", devicePassword), "235 ")
		for i, reply := range tt.replies {
			d.want([]string{tt.sent, ""}[min(i, 1)], reply)
		}
		d.wantEnd()
		if rec := w.expect(record.OutcomeLifted, record.ReasonSenderNotAllowed); rec.Accepted > 0 || len(w.mail.Messages()) > 0 {
			t.Errorf("%s: record %+v", name, rec)
		}
	}
}

// A client that signs in again is told so. What it types does not reach the destination.
func TestSignInAgain(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	d := w.device(copier, viaSMTP)
	d.want(plain("copier1", devicePassword), "235 ")
	d.want("NOOP\r\n"+plain("copier1", devicePassword), "250 ")
	d.want("", "503 5.5.1 Already signed in")
	d.wantSent(scanner)
	d.quit()
	w.wantSignedIn("copier1", 1)
}

// The same for reading mail: the destination rejects, in its turn, what is said in the
// place of the sign-in, and the session goes on.
func TestSignInAgainToRead(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	for _, tt := range []struct {
		via, greeting, start, ready string
		script                      [][2]string // what the device says, and how the last line of the answer begins
	}{
		{viaIMAP, "* OK ", "a STARTTLS", "a OK ", [][2]string{
			{"b LOGIN copier1 \"" + devicePassword + "\"", "b OK "},
			{"c NOOP\r\nd LOGIN copier1 \"" + devicePassword + "\"\r\ne NOOP", "c OK "}, {"", "d BAD "}, {"", "e OK "},
			{"f AUTHENTICATE PLAIN", "f BAD "}, {"g SELECT INBOX", "g OK "}, {"h LOGOUT", "h OK "},
		}},
		{viaPOP3, "+OK ", "STLS", "+OK ", [][2]string{
			{"USER copier1", "+OK"}, {"PASS " + devicePassword, "+OK "},
			{"STAT\r\nUSER copier1\r\nPASS " + devicePassword + "\r\nSTAT", "+OK 1 "}, {"", "-ERR "}, {"", "-ERR "}, {"", "+OK 1 "},
			{"AUTH PLAIN", "-ERR "}, {"QUIT", "+OK "},
		}},
	} {
		t.Run(tt.via, func(t *testing.T) {
			d := &device{t: t, conn: w.reach(copier, tt.via)}
			d.r = bufio.NewReader(d.conn)
			hear(t, d.r, tt.greeting)
			say(t, d.conn, tt.start)
			hear(t, d.r, tt.ready)
			d.secure(w, host, tls.VersionTLS10)
			for _, step := range tt.script {
				if step[0] != "" {
					say(t, d.conn, step[0])
				}
				line := "* "
				for strings.HasPrefix(line, "* ") {
					line = hear(t, d.r, "")
				}
				if !strings.HasPrefix(line, step[1]) {
					t.Fatalf("%q: answered %q, want %q", step[0], line, step[1])
				}
			}
			_ = d.conn.Close()
			w.wantSignedIn("copier1", 0)
		})
	}
}
