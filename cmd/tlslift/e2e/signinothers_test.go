package e2e

import (
	"strings"
	"testing"
)

// onlyBound is a sign-in file that says nothing of any client but boundClient.
const onlyBound = `
tenant: contoso.onmicrosoft.com
application: {id: APPLICATION, secret_file: DIR/app-secret}
mailboxes:
  - address: ` + mailUser + `
    logins: [{name: copier7, password: BOUND, clients: [` + boundClient + `]}]
`

// A client that the sign-in file does not mean is served as before: what it signs in
// with is relayed, and if it can speak to the destination it is not decrypted.
func TestSignInLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	s := startSignInServers(t)
	bound, open := s.lift(t, onlyBound), s.lift(t, signInFile)
	relayed := account{passwordUser, mailPassword}
	for _, tt := range []struct {
		name string
		lift *signInLift
		ways []mailWay
	}{
		{"other clients are named", bound, []mailWay{mailWays[0], mailWays[10], mailWays[14]}},
		{"CONNECT", open, []mailWay{mailWays[6], mailWays[11], mailWays[15]}},
	} {
		for _, w := range tt.ways {
			for _, level := range []mailLevel{atTLS10, modern} {
				for _, client := range []string{"curl", "python"} {
					c := relayed.as(w.call(t, tt.lift.mailLift, level))
					t.Run(tt.name+"/"+client+"/"+w.String()+"/"+level.name, func(t *testing.T) {
						out, err := mailClients[client](t, c)
						if err != nil {
							t.Fatalf("%v\n%s\n%s", err, end(out), end(tt.lift.log()))
						}
						s.done(t, c, out)
						rec := tt.lift.recordOf(t, w, level)
						if rec["mailbox"] != nil || rec["login"] != nil {
							t.Errorf("signed in: %v", rec)
						}
					})
				}
			}
		}
	}
	t.Run("the one that is named", func(t *testing.T) {
		c := bound.call(t, smtpStartTLS, modern, boundAccount)
		c.more = []string{"--local-interface", boundClient}
		bound.goes(t, "swaks", c, smtpStartTLS, modern)
	})
	// The password of a mailbox that takes tokens opens nothing, with tlslift or without.
	for name, address := range map[string]string{"through tlslift": bound.at[smtpStartTLS.listener], "directly": s.at[587]} {
		t.Run("a mailbox that takes tokens, "+name, func(t *testing.T) {
			c := mailWays[0].call(t, bound.mailLift, modern)
			c.address = address
			if out, err := swaksMail(t, c); err == nil || !strings.Contains(out, deniedWords["smtp"]) {
				t.Errorf("want %q, got %v:\n%s", deniedWords["smtp"], err, out)
			}
		})
	}
	if n := len(s.tenant.tokens()); n != 1 {
		t.Errorf("Entra gave %d tokens, want one for %s", n, boundClient)
	}
	bound.keepsSecrets(t)
}
