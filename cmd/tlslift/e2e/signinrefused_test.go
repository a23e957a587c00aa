package e2e

import (
	"strings"
	"testing"
)

// What a client sees whose login or password is wrong.
var deniedWords = map[string]string{"smtp": "535 5.7.8", "imap": "NO [AUTHENTICATIONFAILED]", "pop3": "-ERR [AUTH]"}

// A refusedCall is one that must fail.
type refusedCall struct {
	name   string
	client string
	way    mailWay
	as     account
	more   []string
	words  string // that the client sees
	reason string
	reply  string // of the destination, in the log
}

// Wrong logins and senders are refused in the device's own protocol, and the log says
// why.
func TestSignInRefusals(t *testing.T) {
	t.Parallel()
	l := startSignIn(t, signInFile)
	imap, pop := signInWays[3], signInWays[5]
	wrong := account{copierAccount.login, wrongPassword}
	// Two failures are not delayed, and more with each login that has signed in before.
	for _, a := range []account{copierAccount, boundAccount} {
		from := map[account]string{copierAccount: "127.0.0.1", boundAccount: boundClient}[a]
		c := l.call(t, smtpStartTLS, atTLS10, a)
		c.more = []string{"--local-interface", from}
		l.goes(t, "swaks", c, smtpStartTLS, atTLS10)
	}
	verbose := []string{"-v"}
	for _, tt := range []refusedCall{
		{"wrong password", "swaks", smtpStartTLS, wrong, nil, deniedWords["smtp"], "signin_password_wrong", ""},
		{"wrong password", "curl", imap, wrong, verbose, deniedWords["imap"], "signin_password_wrong", ""},
		{"wrong password", "curl", pop, wrong, verbose, deniedWords["pop3"], "signin_password_wrong", ""},
		{"wrong password without TLS", "swaks", smtpPlain, wrong, nil, deniedWords["smtp"], "signin_password_wrong", ""},
		{"the login of another device", "swaks", smtpStartTLS, scannerAccount, nil, deniedWords["smtp"], "signin_password_wrong", ""},
		{"a password in the field of the login", "swaks", smtpStartTLS, account{wrongPassword, copierAccount.login}, nil,
			deniedWords["smtp"], "signin_password_wrong", ""},
		{"no login", "swaks", smtpStartTLS, account{}, noLogin(),
			"530 5.7.0", "smtp_not_authenticated", ""},
		{"another sender", "swaks", smtpStartTLS, copierAccount, []string{"--from", "boss@example.com"}, "550 5.7.60", "sender_not_allowed", ""},
		{"another sender without a login", "swaks", smtpStartTLS, account{},
			append(noLogin(), "--local-interface", mappedClient, "--from", "boss@example.com"),
			"550 5.7.60", "sender_not_allowed", ""},
		{"a mailbox without permission", "swaks", smtpStartTLS, strangerAccount, nil, "535 5.7.8", "mailbox_refused", ""},
		{"a mailbox without permission", "curl", imap, strangerAccount, verbose, "NO [", "mailbox_refused", ""},
		{"a mailbox without permission", "curl", pop, strangerAccount, verbose, "-ERR [", "mailbox_refused", ""},
		{"a mailbox in which nobody has signed in", "swaks", smtpStartTLS, tillAccount, nil, "454 4.7.0", "delegated_login_missing", ""},
		{"a bad recipient", "swaks", smtpStartTLS, copierAccount, []string{"--to", "second floor@example.com"},
			"501 5.1.3", "smtp_rejected", "501 5.1.3"},
	} {
		t.Run(tt.name+"/"+tt.client+"/"+tt.way.String(), func(t *testing.T) { l.refuses(t, tt) })
	}
	// What Dovecot cannot check says nothing of the mailbox. Postfix does not tell the
	// difference.
	l.tenant.isSilent.Store(true)
	for _, r := range []refusedCall{
		{"no answer about the token", "curl", imap, copierAccount, verbose, "* BYE [UNAVAILABLE]", "upstream_refused_session", ""},
		{"no answer about the token", "curl", pop, copierAccount, verbose, "-ERR [SYS/TEMP]", "upstream_refused_session", ""},
	} {
		t.Run(r.name+"/"+r.client+"/"+r.way.String(), func(t *testing.T) { l.refuses(t, r) })
	}
	l.keepsSecrets(t)
}

// refuses carries out a call that must fail.
func (l *signInLift) refuses(t *testing.T, r refusedCall) {
	t.Helper()
	level := r.way.levels()[0]
	c := l.call(t, r.way, level, r.as)
	c.more = r.more
	out, err := mailClients[r.client](t, c)
	if err == nil || !strings.Contains(out, r.words) {
		t.Errorf("want %q, got %v:\n%s", r.words, err, end(out))
	}
	rec := l.record(t, map[string]string{"protocol": r.way.protocol, "offered": level.offered, "reason": r.reason, "smtp_reply": r.reply})
	if rec["cause"] == nil || rec["remedy"] == nil || rec["outcome"] == "passed" {
		t.Errorf("the log does not explain: %v", rec)
	}
}
