package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// onlyNamed is a part of a sign-in file in which every login names its clients.
const onlyNamed = `
  - address: scan@contoso.com
    logins: [{name: printer2, password: HASH, clients: [10.0.0.2]}]
    clients: [10.0.0.9]
`

// modern returns a device with TLS 1.3, and whether its TLS is ended by tlslift.
func (w *signInWorld) modern(t *testing.T, from, via string) (*device, bool) {
	t.Helper()
	if w.at[via] == "" {
		t.Skipf("this system has no listener for clients that are %s", via)
	}
	d := &device{t: t, conn: w.reach(from, via)}
	d.r = bufio.NewReader(d.conn)
	if via == viaConnect {
		say(t, d.conn, "CONNECT "+submission+" HTTP/1.1\r\nHost: "+submission+"\r\n")
		for line := "HTTP/1.1 200"; strings.TrimSpace(line) != ""; {
			line = hear(t, d.r, "")
		}
	}
	d.want("", "220 ")
	d.want("EHLO device", "250 ")
	d.want("STARTTLS", "220 ")
	state := d.secure(w, mailHost, tls.VersionTLS13)
	d.want("EHLO device", "250 ")
	return d, w.lifted(state)
}

// Sign-in lifts a client whose TLS is modern exactly where it is configured for it.
// Others are passed, and their passwords are theirs.
func TestSignInLiftsModernClients(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	all, named := newSignInWorld(t, c, mailboxesOfAll, ""), newSignInWorld(t, c, onlyNamed, "")
	for name, tt := range map[string]struct {
		w          *signInWorld
		from, via  string
		login      string // empty: it needs none
		isSignedIn bool
	}{
		"pointed at tlslift":              {all, laptop, viaSMTP, "copier1", true},
		"mapped by its address":           {all, mappedC, viaSMTP, "", true},
		"mapped by its name":              {all, "10.0.7.7", viaSMTP, "", true},
		"named, all logins name clients":  {named, printer, viaSMTP, "printer2", true},
		"not named":                       {named, laptop, viaSMTP, scanner, false},
		"by CONNECT":                      {all, copier, viaConnect, scanner, false},
		"by CONNECT, named":               {all, printer, viaConnect, "printer2", true},
		"by CONNECT, mapped":              {all, mappedC, viaConnect, "", true},
		"redirected":                      {all, copier, viaRedirect, scanner, false},
		"redirected, named":               {all, printer, viaRedirect, "printer2", true},
		"redirected, mapped by its name":  {all, "10.0.7.7", viaRedirect, "", true},
		"not named, and without a login ": {named, copier, viaSMTP, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			asked := tt.w.tokens.asked.Load()
			d, lifted := tt.w.modern(t, tt.from, tt.via)
			if lifted != tt.isSignedIn {
				t.Errorf("decrypted=%v", lifted)
			}
			switch {
			case tt.isSignedIn && tt.login != "":
				d.want(plain(tt.login, devicePassword), "235 ")
				d.wantSent(scanner)
			case tt.isSignedIn:
				d.wantSent(scanner)
			case tt.login != "":
				d.want("AUTH LOGIN", "334 ") // with its own password, which the destination does not take any more
				d.want("c2NhbkBjb250b3NvLmNvbQ==", "334 ")
				d.want("bm90IGZvciB0aGUgbG9n", "535 5.7.139 ")
			}
			d.quit()
			if tt.isSignedIn {
				if rec := tt.w.wantSignedIn(tt.login, 1); rec.Rule != record.RuleSignIn {
					t.Errorf("rule %s", rec.Rule)
				}
				return
			}
			rec := tt.w.expect(record.OutcomePassed, "")
			if rec.Rule != record.RuleCapable || rec.Mailbox != "" || tt.w.tokens.asked.Load() != asked {
				t.Errorf("record %+v", rec)
			}
		})
	}
}

// A token goes to the hosts of Microsoft 365's mailboxes, and to no other, even for a
// client that is named.
func TestSignInTokenStaysAtHome(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	t.Run("direct send", func(t *testing.T) {
		d := w.device(mappedC, viaDirectSend)
		d.wantSent(scanner)
		d.quit()
		if rec := w.expect(record.OutcomeLifted, ""); rec.Mailbox != "" || rec.Accepted != 1 || rec.Destination != directSend+":25" {
			t.Errorf("record %+v", rec)
		}
	})
	t.Run("another destination", func(t *testing.T) {
		d := w.device(printer, viaOther)
		d.want("AUTH LOGIN", "334 ")
		d.want("c2NhbkBjb250b3NvLmNvbQ==", "334 ")
		d.want("bm90IGZvciB0aGUgbG9n", "535 5.7.139 ")
		d.quit()
		if rec := w.record(); rec.Mailbox != "" || rec.Destination != operatorHost+":587" {
			t.Errorf("record %+v", rec)
		}
	})
	// The destination of the negotiation is the listener's, that of the session the one
	// that the client names in its ClientHello.
	for name, isHome := range map[string]bool{mailHost: true, legacyHost: false, operatorHost: false} {
		t.Run("after STARTTLS the client names "+name, func(t *testing.T) {
			if w.at[viaRedirect] == "" {
				t.Skip("this system has no listener for clients that are redirected")
			}
			d := &device{t: t, conn: w.reach(printer, viaRedirect)}
			d.r = bufio.NewReader(d.conn)
			d.want("", "220 ")
			d.want("EHLO device", "250 ")
			d.want("STARTTLS", "220 ")
			d.secure(w, name, tls.VersionTLS10)
			d.want("EHLO device", "250 ")
			if isHome {
				d.want(plain("printer2", devicePassword), "235 ")
			} else {
				d.want("AUTH XOAUTH2 eA==", "5") // it is the destination that answers
			}
			d.quit()
			rec := w.record()
			if rec.Destination != name+":587" || (rec.Mailbox != "") != isHome || rec.Original != netip.MustParseAddrPort("203.0.113.1:587") {
				t.Errorf("record %+v", rec)
			}
		})
	}
	if n := w.tokens.asked.Load(); n > 1 {
		t.Errorf("%d tokens were asked for", n)
	}
}

// A client that is named is signed in for at ports of implicit TLS too, behind CONNECT and
// behind a listener that knows no mail.
func TestSignInOtherListeners(t *testing.T) {
	t.Parallel()
	w := newSignInWorld(t, newCloud(t), mailboxesOfAll, "")
	for _, tt := range []struct {
		via      string
		port     int
		greeting string
		script   [][2]string
		version  uint16
		rule     record.Rule
	}{
		{viaConnect, 993, "* OK ", [][2]string{{"b LOGIN printer2 \"" + devicePassword + "\"", "b OK "}, {"e LOGOUT", "e OK "}},
			tls.VersionTLS10, record.RuleTLSVersion},
		{viaTLS, 993, "* OK ", [][2]string{{"b LOGIN printer2 \"" + devicePassword + "\"", "b OK "}, {"e LOGOUT", "e OK "}},
			tls.VersionTLS13, record.RuleSignIn},
		{viaConnect, 995, "+OK ", [][2]string{{"USER printer2", "+OK"}, {"PASS " + devicePassword, "+OK "}, {"QUIT", "+OK "}},
			tls.VersionTLS13, record.RuleSignIn},
	} {
		t.Run(fmt.Sprint(tt.via, tt.port), func(t *testing.T) {
			d := &device{t: t, conn: w.reach(printer, tt.via)}
			d.r = bufio.NewReader(d.conn)
			if tt.via == viaConnect {
				say(t, d.conn, fmt.Sprintf("CONNECT %s:%d HTTP/1.1\r\nHost: %s:%[2]d\r\n", host, tt.port, host))
				for line := "HTTP/1.1 200"; strings.TrimSpace(line) != ""; {
					line = hear(t, d.r, "")
				}
			}
			d.secure(w, host, tt.version)
			hear(t, d.r, tt.greeting)
			for _, step := range tt.script {
				say(t, d.conn, step[0])
				for line := ""; !strings.HasPrefix(line, step[1]); {
					if line = hear(t, d.r, ""); strings.Contains(line, "NO ") || strings.Contains(line, "BAD ") || strings.HasPrefix(line, "-ERR") {
						t.Fatalf("%s: answered %q", step[0], line)
					}
				}
			}
			_ = d.conn.Close()
			if rec := w.wantSignedIn("printer2", 0); rec.Rule != tt.rule {
				t.Errorf("rule %s", rec.Rule)
			}
		})
	}
}
