package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/signin"
)

const (
	demoOAuthMailbox = "printer@contoso.com"
	demoLogin        = "copier1"
	// demoLoginPassword is as long as some printers can store.
	demoLoginPassword = "scan2fax-42!" //nolint:gosec // G101: of the fake servers
	demoApplication   = "11111111-2222-3333-4444-555555555555"
	demoAppSecret     = "of the fake application" //nolint:gosec // G101: likewise
)

// demoFile is the sign-in file of the demo. Its %s is the hash of demoLoginPassword.
const demoFile = `tenant: contoso.onmicrosoft.com
application:
  id: ` + demoApplication + `
  secret_file: secret
mailboxes:
- address: ` + demoOAuthMailbox + `
  logins:
  - name: ` + demoLogin + `
    password: %s
`

// accounts are the mailboxes: one that still takes its password, and one that takes OAuth
// only.
func accounts() fakem365.Accounts {
	return fakem365.Accounts{
		{Address: demoMailbox, Password: demoPassword, TakesPassword: true},
		{Address: demoOAuthMailbox, Password: demoLoginPassword, Delegates: []string{demoApplication}},
	}
}

// stageEntra makes the fake Entra, and what asks it for tokens.
func (d *demo) stageEntra() error {
	var err error
	if d.entra, err = fakeentra.New(fakeentra.Options{Applications: []fakeentra.Application{
		{ID: demoApplication, Secret: demoAppSecret, Roles: []string{"SMTP.SendAsApp"}},
	}}); err != nil {
		return err
	}
	if d.login, err = d.entra.Serve(d.fake, fakem365.TLSOptions{}); err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(demoLoginPassword), bcrypt.MinCost) // nobody has to be kept from guessing it
	if err != nil {
		return fmt.Errorf("making the hash of a password: %w", err)
	}
	for name, text := range map[string]string{"secret": demoAppSecret, "signin.yaml": fmt.Sprintf(demoFile, hash)} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("writing the sign-in file: %w", err)
		}
	}
	if d.file, err = signin.Load(filepath.Join(d.dir, "signin.yaml")); err != nil {
		return err
	}
	client := &fakem365.Client{Address: d.login.Addr(), Roots: d.fake.Roots()}
	d.keeper = signin.New(nil)
	d.tokens, err = entra.New(entra.Config{
		Tenant: d.file.Tenant, ApplicationID: d.file.Application.ID, SecretFile: d.file.Application.SecretFile, HTTP: client.HTTP(),
	})
	return err
}

// closeTokens ends requests for tokens.
func (d *demo) closeTokens() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = d.tokens.Close(ctx) // the demo ends with what still waits
}

// printByPassword sends a mail with the password of 12 characters.
func (s story) printByPassword(ctx context.Context, address, user string, version uint16) (fakem365.Sent, error) {
	c := s.client(version)
	c.Address = address
	return c.SendMail(ctx, fakem365.Mail{
		User: user, Password: demoLoginPassword, From: demoOAuthMailbox, To: []string{"archive@contoso.com"},
		Data: []byte("Subject: Scan of page 2\n\nIt would be here.\n"),
	})
}

func (s story) passwordDirect(ctx context.Context) (string, error) {
	_, err := s.printByPassword(ctx, s.mail.Addr(), demoOAuthMailbox, tls.VersionTLS12)
	var refusal *fakem365.ReplyError
	if !errors.As(err, &refusal) || refusal.Code != 535 {
		return "", fmt.Errorf("expected 535 from the fake server, got %w", errOr(err))
	}
	return fmt.Sprintf("Refused: %d %s", refusal.Code, refusal.Text), nil
}

func (s story) passwordLifted(ctx context.Context) (string, error) {
	s.keeper.Replace(s.file)
	sent, err := s.printByPassword(ctx, s.smtp, demoLogin, tls.VersionTLS10)
	if late := s.recorded(ctx); late != nil {
		return "", late
	}
	if err != nil {
		return "", err
	}
	mails := s.mail.Messages()
	last := mails[len(mails)-1]
	if last.Login != demoOAuthMailbox || last.TLS.Version < tls.VersionTLS12 || s.entra.Counts().Token != 1 {
		return "", fmt.Errorf("expected a mail of %s by one token, got one of %s by %d", demoOAuthMailbox, last.Login, s.entra.Counts().Token)
	}
	return fmt.Sprintf("Sent: %s\nThe printer spoke %s to tlslift, and knows a login and a password of %d characters.\n"+
		"tlslift got a token from the fake Microsoft Entra, and signed in with it over %s.",
		sent.Reply, tls.VersionName(sent.TLS.Version), len(demoLoginPassword), tls.VersionName(last.TLS.Version)), nil
}
