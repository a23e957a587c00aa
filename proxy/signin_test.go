package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// A device of TLS 1.0 that knows only a password sends through a mailbox that takes
// tokens only.
func TestSignInSends(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	for _, tt := range []struct{ from, via, login, client string }{
		{copier, viaSMTP, "copier1", ""},
		{copier, viaSMTPS, "copier1", ""},
		{printer, viaSMTP, "printer2", ""},
		{mappedC, viaSMTP, "", ""},
		{mappedC, viaSMTPS, "", ""},
		{"10.0.7.7", viaSMTP, "", "named device"},
	} {
		t.Run(tt.from+" by "+tt.via, func(t *testing.T) {
			before := len(w.mail.Messages())
			d := w.device(tt.from, tt.via)
			if tt.login != "" {
				d.want(plain(tt.login, devicePassword), "235 ")
			}
			d.wantSent(scanner)
			d.quit()
			rec := w.wantSignedIn(tt.login, 1)
			wantPrivate(t, w, rec)
			if rec.Rule != record.RuleTLSVersion || rec.ClientTLS.Version != "TLS 1.0" || rec.ClientName != tt.client ||
				rec.Destination != submission {
				t.Errorf("record %+v", rec)
			}
			mails := w.mail.Messages()
			if got := mails[len(mails)-1]; len(mails) != before+1 || got.Login != scanner || got.TLS.Version < tls.VersionTLS12 {
				t.Errorf("%d mails, the last one %+v", len(mails)-before, got)
			}
		})
	}
	if n := w.entra.Counts().Token; n != 1 {
		t.Errorf("%d token requests, want one for all", n)
	}
}

// wantPrivate wants the log line of a connection to name who has signed in, and nothing
// that is secret.
func wantPrivate(t *testing.T, w *signInWorld, rec record.Record) {
	t.Helper()
	line := fmt.Sprint(rec.Attrs())
	if !strings.Contains(line, "mailbox="+rec.Mailbox) || rec.Login != "" && !strings.Contains(line, "login="+rec.Login) {
		t.Errorf("the log line lacks mailbox or login: %s", line)
	}
	secrets := []string{devicePassword, applicationSecret, "eyJ"}
	if token := w.tokens.last.Load(); token != nil && token.Value != "" {
		secrets = append(secrets, token.Value)
	}
	for _, secret := range secrets {
		if strings.Contains(line, secret) || strings.Contains(fmt.Sprintf("%+v", rec), secret) {
			t.Errorf("the record has %q: %s", secret, line)
		}
	}
}

// A device without TLS is served where that is allowed, also one that says HELO only.
func TestSignInWithoutTLS(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	for _, tt := range []struct{ from, hello, login string }{
		{"10.0.8.8", "EHLO", "copier1"}, {"10.0.8.8", "HELO", "copier1"}, {"10.0.8.9", "EHLO", ""}, {"10.0.8.9", "HELO", ""},
	} {
		t.Run(tt.hello+" "+tt.login, func(t *testing.T) {
			d := &device{t: t, conn: w.reach(tt.from, viaSMTP)}
			d.r = bufio.NewReader(d.conn)
			d.want("", "220 ")
			if said := d.want(tt.hello+" device", "250 "); tt.hello == "EHLO" &&
				(!strings.Contains(said, "AUTH PLAIN LOGIN\r\n") || strings.Contains(said, "XOAUTH2")) {
				t.Errorf("the device is offered %q", said)
			}
			if tt.login != "" {
				d.want(plain(tt.login, devicePassword), "235 ")
			}
			d.wantSent(scanner)
			d.quit()
			rec := w.wantSignedIn(tt.login, 1)
			wantPrivate(t, w, rec)
			if rec.Rule != record.RulePlaintext || rec.ClientTLS != nil || rec.UpstreamTLS == nil {
				t.Errorf("record %+v", rec)
			}
		})
	}
	d := &device{t: t, conn: w.reach(copier, viaSMTP)} // it has to use TLS
	d.r = bufio.NewReader(d.conn)
	d.want("", "220 ")
	if said := d.want("EHLO device", "250 "); strings.Contains(said, "AUTH") {
		t.Errorf("the device is offered %q", said)
	}
	d.want(plain("copier1", devicePassword), "530 5.7.0 ")
	d.quit()
	if rec := w.expect(record.OutcomeRefused, record.ReasonPlaintextNotAllowed); rec.Login != "" {
		t.Errorf("record %+v", rec)
	}
}

// The same for reading mail.
func TestSignInReads(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	for _, tt := range []struct {
		via, greeting, start, ready string
		script                      [][2]string // what the device says, and how the last line of the answer begins
	}{
		{viaIMAP, "* OK ", "a STARTTLS", "a OK ", [][2]string{
			{"b LOGIN copier1 \"" + devicePassword + "\"", "b OK "}, {"c SELECT INBOX", "c OK "}, {"d FETCH 1 BODY[TEXT]", "d OK "},
			{"e LOGOUT", "e OK "},
		}},
		{viaPOP3, "+OK ", "STLS", "+OK ", [][2]string{
			{"USER copier1", "+OK"}, {"PASS " + devicePassword, "+OK "}, {"STAT", "+OK 1 "}, {"RETR 1", "."}, {"QUIT", "+OK "},
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
				say(t, d.conn, step[0])
				for line := ""; !strings.HasPrefix(line, step[1]); {
					if line = hear(t, d.r, ""); strings.Contains(line, "NO ") || strings.Contains(line, "BAD ") || strings.HasPrefix(line, "-ERR") {
						t.Fatalf("%s: answered %q", step[0], line)
					}
				}
			}
			_ = d.conn.Close()
			rec := w.wantSignedIn("copier1", 0)
			wantPrivate(t, w, rec)
		})
	}
}
