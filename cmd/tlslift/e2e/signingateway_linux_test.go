package e2e

import "testing"

// The clients of a gateway do not know of tlslift, and what they sign in with is theirs
// and the destination's, unless the sign-in file names them.
func TestSignInLeavesRedirectedClientsAlone(t *testing.T) {
	t.Parallel()
	needMailServer(t)
	g := startGateway(t, onGateway, "redirect://:3129", "TLSLIFT_SIGNIN_FILE="+writeSignInFile(t, signInFile))
	g.redirect(t, g.gateway, "--interface", "to77")
	for _, level := range []mailLevel{atTLS10, modern} {
		for _, v := range []visit{
			{level.name + " SMTP", mailAddress, "587", level, smtpHost + ":587", "swaks", "smtp", startTLS},
			{level.name + " IMAPS", mailAddress6, "993", level, host + ":993", "openssl", "imap", implicitTLS},
			{level.name + " POP3S", mailAddress, "995", level, host + ":995", "curl", "pop3", implicitTLS},
		} {
			t.Run(v.name, func(t *testing.T) { g.visit(t, v) })
		}
	}
}
