package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
)

// A story is what the clients of a demo do.
type story struct{ *demo }

// play runs the steps of the story, and stops at the first one that differs from it.
func (s story) play(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	s.say("Nothing leaves this machine: all addresses are loopback ones.\n")
	s.say("  %-22s a fake Microsoft 365: TLS 1.2 or newer, ECDHE only", s.web.Addr())
	s.say("  %-22s the same for mail: %s", s.mail.Addr(), demoMailHost)
	s.say("  %-22s a fake Microsoft Entra: %s", s.login.Addr(), fakeentra.Host)
	s.say("  %-22s tlslift as an HTTP proxy", s.proxy)
	s.say("  %-22s tlslift for %s alone", s.fixed, demoHost)
	s.say("  %-22s tlslift as the mail server of devices\n", s.smtp)
	for i, step := range s.steps() {
		s.say("%d. %s", i+1, step.title)
		what, err := step.run(ctx)
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		s.say("   %s\n", strings.ReplaceAll(what, "\n", "\n   "))
	}
	s.say("What tlslift's metrics show about its clients:\n")
	return metrics.WriteClientTable(s.out, s.metrics.Gatherer())
}

// A step is one part of the story: run returns what was seen, or an error if that
// differs from the story.
type step struct {
	title string
	run   func(context.Context) (string, error)
}

func (s story) steps() []step {
	old := func() *fakem365.Client { return s.client(tls.VersionTLS10) }
	rsa := func() *fakem365.Client { return s.client(tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA) }
	return []step{
		{"A TLS 1.0 client asks Microsoft 365 directly.", s.refusedDirectly(old)},
		{"The same client asks through tlslift.", s.liftedThrough(old)},
		{"A TLS 1.2 client asks through tlslift.", s.modernPassed},
		{"A TLS 1.2 client that knows only RSA key exchange asks directly.", s.refusedDirectly(rsa)},
		{"The same client asks through tlslift.", s.liftedThrough(rsa)},
		{"A device of about 2005, whose ClientHello is in SSLv2 format, asks directly.", s.sslv2Direct},
		{"The same device asks through tlslift.", s.sslv2Lifted},
		{"A printer that speaks TLS 1.0 sends a scan to Microsoft 365 directly.", s.scanDirect},
		{"The same printer sends it to tlslift.", s.scanLifted},
		{"A printer with TLS 1.2 sends its password directly, to a mailbox that takes OAuth only, as most will in 2027.", s.passwordDirect},
		{"A printer that speaks TLS 1.0 sends its password to tlslift, which signs in for it.", s.passwordLifted},
		{"The TLS 1.0 client asks tlslift for a host that is not Microsoft 365's.", s.notAllowed},
	}
}

// through asks through tlslift's proxy, and waits until that is recorded.
func (s story) through(ctx context.Context, c *fakem365.Client, url string) (*fakem365.Answer, error) {
	c.Proxy = s.proxy
	answer, err := c.Get(ctx, url)
	if late := s.recorded(ctx); late != nil {
		return nil, late
	}
	return answer, err
}

// refusedDirectly returns the step in which a client asks the fake server.
func (s story) refusedDirectly(client func() *fakem365.Client) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		c := client()
		c.Address = s.web.Addr()
		_, err := c.Get(ctx, demoURL)
		alert := fakem365.Alert(err)
		if alert == "" {
			return "", fmt.Errorf("expected the fake server to refuse with an alert, got %w", errOr(err))
		}
		return "Refused: " + alert + ".", nil
	}
}

// liftedThrough returns the step in which a client asks through tlslift and is lifted.
func (s story) liftedThrough(client func() *fakem365.Client) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		answer, err := s.through(ctx, client(), demoURL)
		if err != nil {
			return "", err
		}
		if answer.TLS.PeerCertificates[0].CheckSignatureFrom(s.ca.Certificate()) != nil {
			return "", errors.New("expected a certificate of tlslift's CA")
		}
		return fmt.Sprintf("Answered: %s\nThe client spoke %s, %s, with a certificate of tlslift's CA.",
			strings.TrimSpace(answer.Body), tls.VersionName(answer.TLS.Version), tls.CipherSuiteName(answer.TLS.CipherSuite)), nil
	}
}

func (s story) modernPassed(ctx context.Context) (string, error) {
	answer, err := s.through(ctx, s.client(tls.VersionTLS12), demoURL)
	if err != nil {
		return "", err
	}
	if !answer.TLS.PeerCertificates[0].Equal(s.web.Leaf()) {
		return "", errors.New("expected the server's own certificate")
	}
	return fmt.Sprintf("Answered: %s\nIt saw the server's own certificate (SHA-256 %.16s…): tlslift decrypted nothing.",
		strings.TrimSpace(answer.Body), fakem365.Fingerprint(answer.TLS.PeerCertificates[0])), nil
}

func (s story) notAllowed(ctx context.Context) (string, error) {
	_, err := s.through(ctx, s.client(tls.VersionTLS10), "https://www.example.com/")
	var refusal *fakem365.ProxyError
	if !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden {
		return "", fmt.Errorf("expected 403 from tlslift, got %w", errOr(err))
	}
	return fmt.Sprintf("Refused with status %d. tlslift says:\n%s", refusal.Status, strings.TrimSpace(refusal.Body)), nil
}

func (s story) sslv2Direct(ctx context.Context) (string, error) {
	c := s.client(tls.VersionTLS10)
	c.Address = s.web.Addr()
	_, err := c.GetLegacy(ctx, demoURL)
	var alert tls.AlertError
	if !errors.As(err, &alert) {
		return "", fmt.Errorf("expected the fake server to refuse with an alert, got %w", errOr(err))
	}
	return "Refused: " + strings.TrimPrefix(alert.Error(), "tls: ") + ".", nil
}

func (s story) sslv2Lifted(ctx context.Context) (string, error) {
	c := s.client(tls.VersionTLS10)
	c.Proxy = s.proxy
	answer, err := c.GetLegacy(ctx, demoURL)
	if late := s.recorded(ctx); late != nil {
		return "", late
	}
	if err != nil {
		return "", err
	}
	_, body, _ := strings.Cut(answer, "\r\n\r\n")
	if !strings.Contains(body, demoHost) {
		return "", fmt.Errorf("expected an answer of %s, got %q", demoHost, answer)
	}
	return "Answered: " + strings.TrimSpace(body) +
		"\nIts hello named no host, and could not be rewritten: tlslift speaks that format itself.", nil
}

// scan sends a mail as a printer of TLS 1.0 does.
func (s story) scan(ctx context.Context, address string) (fakem365.Sent, error) {
	c := s.client(tls.VersionTLS10)
	c.Address = address
	return c.SendMail(ctx, fakem365.Mail{
		User: demoMailbox, Password: demoPassword, From: demoMailbox, To: []string{"archive@contoso.com"},
		Data: []byte("Subject: Scan of page 1\n\nIt would be here.\n"),
	})
}

func (s story) scanDirect(ctx context.Context) (string, error) {
	_, err := s.scan(ctx, s.mail.Addr())
	var refusal *fakem365.ReplyError
	if !errors.As(err, &refusal) || refusal.Code != 421 {
		return "", fmt.Errorf("expected 421 from the fake server, got %w", errOr(err))
	}
	return fmt.Sprintf("Refused: %d %s", refusal.Code, refusal.Text), nil
}

func (s story) scanLifted(ctx context.Context) (string, error) {
	sent, err := s.scan(ctx, s.smtp)
	if late := s.recorded(ctx); late != nil {
		return "", late
	}
	if err != nil {
		return "", err
	}
	mails := s.mail.Messages()
	if len(mails) != 1 || mails[0].TLS.Version < tls.VersionTLS12 {
		return "", fmt.Errorf("expected one mail over TLS 1.2 or newer, got %d", len(mails))
	}
	return fmt.Sprintf("Sent: %s\nThe printer spoke %s to tlslift, and the mail arrived over %s.",
		sent.Reply, tls.VersionName(sent.TLS.Version), tls.VersionName(mails[0].TLS.Version)), nil
}

// errOr is err, or an error that says that there was none.
func errOr(err error) error {
	if err == nil {
		return errors.New("an answer")
	}
	return err
}
