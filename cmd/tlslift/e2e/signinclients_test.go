package e2e

import (
	"encoding/base64"
	"strings"
	"testing"
)

// atTLS12 is a client that Microsoft 365 would serve if it knew more than a password.
var atTLS12 = mailLevel{
	name: "TLS 1.2", offered: "TLS 1.2", why: modern.why,
	openssl: []string{"-tls1_2"}, curl: []string{"--tlsv1.2", "--tls-max", "1.2"}, swaks: []string{"--tls-protocol", "tlsv1_2"},
	python: [2]string{"TLSv1_2"}, gnutls: "NORMAL:-VERS-ALL:+VERS-TLS1.2", java: [2]string{"TLSv1.2"},
}

// withoutTLS is a client that has none.
var withoutTLS = mailLevel{name: "without TLS", offered: "none", why: "plaintext"}

// signInWays are the ways of clients that are signed in.
var signInWays = []mailWay{
	{listener: "smtp://{}", protocol: "smtp", tlsMode: startTLS, upstream: 587},
	{listener: "smtps://{}", protocol: "smtp", tlsMode: implicitTLS, upstream: 587},
	{listener: "imap://{}", protocol: "imap", tlsMode: startTLS, upstream: 993},
	{listener: "imaps://{}", protocol: "imap", tlsMode: implicitTLS, upstream: 993},
	{listener: "pop3://{}", protocol: "pop3", tlsMode: startTLS, upstream: 995},
	{listener: "pop3s://{}", protocol: "pop3", tlsMode: implicitTLS, upstream: 995},
	{listener: "smtp://{}?plaintext=allow", protocol: "smtp", tlsMode: never, upstream: 587},
	{listener: "imap://{}?plaintext=allow", protocol: "imap", tlsMode: never, upstream: 993},
	{listener: "pop3://{}?plaintext=allow", protocol: "pop3", tlsMode: never, upstream: 995},
	{listener: "imap://{}?to=" + host + ":143", protocol: "imap", tlsMode: startTLS, upstream: 143},
	{listener: "pop3://{}?to=" + host + ":110", protocol: "pop3", tlsMode: startTLS, upstream: 110},
	{listener: "smtp://{}?to=" + smtpHost + ":465", protocol: "smtp", tlsMode: startTLS, upstream: 465},
}

var (
	smtpStartTLS = signInWays[0]
	smtpPlain    = signInWays[6]
)

// levels are those of the clients that go a way.
func (w mailWay) levels() []mailLevel {
	switch {
	case w.tlsMode == never:
		return []mailLevel{withoutTLS}
	case strings.Contains(w.listener, "?to="): // what differs is at the other side
		return []mailLevel{atTLS10}
	}
	return []mailLevel{atTLS10, atTLS11, atTLS12, modern}
}

// Clients that know only a password send and read through servers that take only
// tokens, whatever TLS they have.
func TestSignInClients(t *testing.T) {
	t.Parallel()
	l := startSignIn(t, signInFile)
	for _, w := range signInWays {
		for _, level := range w.levels() {
			for client := range mailClients {
				c := l.call(t, w, level, copierAccount)
				if !can(client, c) || w.tlsMode == never && (client == "openssl" || client == "msmtp") {
					continue
				}
				t.Run(client+"/"+w.String()+"/"+level.name, func(t *testing.T) { l.goes(t, client, c, w, level) })
			}
		}
	}
	l.keepsSecrets(t)
}

// Every way in which old clients sign in is served.
func TestSignInMechanisms(t *testing.T) {
	t.Parallel()
	l := startSignIn(t, signInFile)
	imap, pop, imapPlain := signInWays[3], signInWays[5], signInWays[7]
	for _, tt := range []struct {
		name, client string
		ways         []mailWay
		account      account
		more         []string
	}{
		{"PLAIN", "swaks", []mailWay{smtpStartTLS, smtpPlain}, copierAccount, []string{"--auth", "PLAIN"}},
		{"LOGIN", "swaks", []mailWay{smtpStartTLS, smtpPlain}, copierAccount, []string{"--auth", "LOGIN"}},
		{"CRAM-MD5", "swaks", []mailWay{smtpStartTLS, smtpPlain}, scannerAccount,
			[]string{"--auth", "CRAM-MD5", "--local-interface", cramClient}},
		{"PLAIN", "msmtp", []mailWay{smtpStartTLS}, copierAccount, []string{"--auth=plain"}},
		{"CRAM-MD5", "msmtp", []mailWay{smtpStartTLS}, scannerAccount, []string{"--auth=cram-md5", "--source-ip=" + cramClient}},
		{"LOGIN with an initial response", "python", []mailWay{smtpStartTLS, smtpPlain}, copierAccount, []string{"LOGIN"}},
		{"LOGIN without one", "python", []mailWay{smtpStartTLS}, copierAccount, []string{"LOGIN-"}},
		{"PLAIN without an initial response", "python", []mailWay{smtpStartTLS}, copierAccount, []string{"PLAIN-"}},
		{"the mechanism that it likes best", "python", []mailWay{smtpStartTLS}, scannerAccount, []string{"", cramClient}},
		{"PLAIN", "curl", []mailWay{smtpStartTLS, imap, pop}, copierAccount, []string{"--login-options", "AUTH=PLAIN"}},
		{"PLAIN with an initial response", "curl", []mailWay{smtpStartTLS, imap, pop}, copierAccount,
			[]string{"--login-options", "AUTH=PLAIN", "--sasl-ir"}},
		{"LOGIN", "curl", []mailWay{smtpStartTLS, imap, pop}, copierAccount, []string{"--login-options", "AUTH=LOGIN"}},
		{"CRAM-MD5", "curl", []mailWay{smtpStartTLS, imap, pop}, scannerAccount,
			[]string{"--login-options", "AUTH=CRAM-MD5", "--interface", cramClient}},
		{"AUTHENTICATE PLAIN", "python", []mailWay{imap, imapPlain}, copierAccount, []string{"PLAIN"}},
		{"AUTHENTICATE CRAM-MD5", "python", []mailWay{imap}, scannerAccount, []string{"CRAM-MD5", cramClient}},
		{"no login", "swaks", []mailWay{smtpStartTLS, smtpPlain}, account{}, append(noLogin(), "--local-interface", mappedClient)},
		{"no login after HELO", "swaks", []mailWay{smtpPlain}, account{},
			append(noLogin(), "--protocol", "SMTP", "--local-interface", mappedClient)},
		{"the login of one client", "swaks", []mailWay{smtpStartTLS}, boundAccount, []string{"--local-interface", boundClient}},
	} {
		for _, w := range tt.ways {
			level := w.levels()[0]
			c := l.call(t, w, level, tt.account)
			c.more = tt.more
			t.Run(tt.name+"/"+tt.client+"/"+w.String(), func(t *testing.T) { l.goes(t, tt.client, c, w, level) })
		}
	}
	for name, script := range signInScripts {
		for _, w := range []mailWay{smtpStartTLS, signInWays[1]} {
			t.Run(name+"/openssl/"+w.String(), func(t *testing.T) { l.byHand(t, w, script) })
		}
	}
	l.keepsSecrets(t)
}

// noLogin has swaks sign in with nothing.
func noLogin() []string { return []string{"--no-auth", "--no-auth-user", "--no-auth-password"} }

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// signInScripts are what devices say after their first EHLO and TLS, up to MAIL.
var signInScripts = map[string]string{
	"no EHLO after STARTTLS":           "AUTH PLAIN " + encoded("\x00copier1\x00"+copierAccount.password) + "\n",
	"LOGIN in one line and no EHLO":    "AUTH LOGIN " + encoded("copier1") + "\n" + encoded(copierAccount.password) + "\n",
	"HELO, and LOGIN all the same":     "HELO x\nAUTH LOGIN\n" + encoded("copier1") + "\n" + encoded(copierAccount.password) + "\n",
	"a name with capitals and a space": "EHLO x\nauth login " + encoded("Copier1 ") + "\n" + encoded(copierAccount.password) + "\n",
	"an exchange that it cancels":      "EHLO x\nAUTH LOGIN\n*\nAUTH PLAIN " + encoded("\x00copier1\x00"+copierAccount.password) + "\n",
}

// byHand sends a mail with what a device says at TLS 1.0.
func (l *signInLift) byHand(t *testing.T, w mailWay, script string) {
	t.Helper()
	c := l.call(t, w, atTLS10, copierAccount)
	c.said = script + "MAIL FROM:<" + mailUser + ">\nRCPT TO:<" + c.to + ">\nDATA\n" + strings.ReplaceAll(c.sent(), "\r", "") + ".\nQUIT\n"
	if w.tlsMode == implicitTLS && !strings.Contains(script, "LO ") {
		c.said = "EHLO x\n" + c.said
	}
	l.goes(t, "openssl", c, w, atTLS10)
}

// Old Java applications send and read through JavaMail.
func TestSignInJavaMail(t *testing.T) {
	t.Parallel()
	l := startSignIn(t, signInFile)
	type trip struct {
		way   mailWay
		level mailLevel
	}
	var trips []trip
	var calls []mailCall
	for _, w := range signInWays {
		if w.tlsMode == never {
			continue
		}
		for _, level := range append([]mailLevel{sslv2Hello}, w.levels()...) {
			trips, calls = append(trips, trip{w, level}), append(calls, l.call(t, w, level, copierAccount))
		}
	}
	for i, result := range javaMail(t, calls) {
		w, level := trips[i].way, trips[i].level
		t.Run(w.String()+"/"+level.name, func(t *testing.T) {
			if !strings.HasPrefix(result, "done") {
				t.Fatalf("%s\n%s", result, end(l.log()))
			}
			l.servers.done(t, calls[i], result)
			l.lifted(t, w, level, copierAccount.login)
		})
	}
}
