package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// Devices at one port reach what the clients file says of each of them: High Volume Email
// with a login, the tenant's own host without one, and the listener's destination. SIGHUP
// changes that; a destination that is not allowed changes nothing.
func TestRoutesOfClients(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "swaks")
	fake := testenv.FakeM365(t)
	serve := func(o fakem365.MailOptions) *fakem365.MailServer {
		s, err := fake.ServeSMTP(o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	accounts := fakem365.Accounts{{Address: mailUser, Password: mailPassword}}
	usual, hve, tenant := serve(fakem365.MailOptions{Accounts: accounts}), serve(fakem365.MailOptions{Accounts: accounts}),
		serve(fakem365.MailOptions{MX: true, TLS: fakem365.TLSOptions{Names: []string{"*.mail.protection.outlook.com"}}})
	const (
		hveTo, tenantTo = "smtp-hve.office365.com:587", "contoso-com.mail.protection.outlook.com:25"
		copier, scanner = "127.0.0.2", "127.0.0.3"
	)
	file, address := filepath.Join(t.TempDir(), "clients.yaml"), testenv.FreeAddress(t)
	write := func(hveOf string) {
		text := "clients:\n- {name: copier, address: " + hveOf + ", to: '" + hveTo + "'}\n" +
			"- {name: scanner, address: " + scanner + ", to: '" + tenantTo + "'}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(copier)
	connectTo := []string{smtpHost + ":587=" + usual.Addr(), hveTo + "=" + hve.Addr(), tenantTo + "=" + tenant.Addr()}
	l := start(t, "", fake.RootPEM(), "TLSLIFT_LISTEN=smtp://"+address, "TLSLIFT_CLIENTS_FILE="+file,
		"TLSLIFT_CONNECT_TO="+strings.Join(connectTo, ","))
	send := func(from string, server *fakem365.MailServer, to string, login ...string) {
		t.Helper()
		host, port, _ := net.SplitHostPort(address)
		before := len(server.Messages())
		out, err := run(t, "", "swaks", append([]string{
			"--server", host, "--port", port, "--local-interface", from, "--tls", "--tls-verify", "--tls-ca-path", l.caFile,
			"--tls-sni", strings.Split(to, ":")[0], "--tls-protocol", "tlsv1", "--tls-cipher", lowestSecurity, "--timeout", "60",
			"--from", mailUser, "--to", "archive@contoso.com",
		}, login...)...)
		if err != nil || len(server.Messages()) != before+1 {
			t.Errorf("from %s to %s: %v\n%s", from, to, err, end(out))
		}
		l.record(t, map[string]string{"client": from, "destination": to, "outcome": "lifted", "reason": "", "offered": "TLS 1.0"})
	}
	password := []string{"--auth", "LOGIN", "--auth-user", mailUser, "--auth-password", mailPassword}
	send(copier, hve, hveTo, password...)
	send(scanner, tenant, tenantTo)
	send("127.0.0.1", usual, smtpHost+":587", password...)

	write("127.0.0.1")
	l.signal(l.cmd.Process, syscall.SIGHUP)
	l.awaitLine("read the configuration again")
	send("127.0.0.1", hve, hveTo, password...)
	send(copier, usual, smtpHost+":587", password...)

	if err := os.WriteFile(file, []byte("clients: [{name: copier, address: 127.0.0.1, to: evil.example.com:25}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.signal(l.cmd.Process, syscall.SIGHUP)
	l.awaitLine("add it to TLSLIFT_DESTINATIONS")
	send("127.0.0.1", hve, hveTo, password...)
}
