package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// client trusts the fake server's root and tlslift's CA, like a device on which
// that was imported, and speaks TLS up to max.
func (d *demo) client(max uint16, suites ...uint16) *fakem365.Client {
	roots := d.fake.Roots().Clone()
	roots.AddCert(d.ca.Certificate())
	return &fakem365.Client{Roots: roots, MinVersion: tls.VersionTLS10, MaxVersion: max, CipherSuites: suites}
}

func (d *demo) oldDirect(ctx context.Context) (string, error) {
	return d.refusedDirectly(ctx, d.client(tls.VersionTLS10))
}

func (d *demo) rsaDirect(ctx context.Context) (string, error) {
	return d.refusedDirectly(ctx, d.client(tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA))
}

func (d *demo) refusedDirectly(ctx context.Context, c *fakem365.Client) (string, error) {
	c.Address = d.web.Addr()
	_, err := c.Get(ctx, demoURL)
	alert := fakem365.Alert(err)
	if alert == "" {
		return "", fmt.Errorf("expected the fake server to refuse with an alert, got %w", errOr(err))
	}
	return "Refused: " + alert + ".", nil
}

func (d *demo) oldLifted(ctx context.Context) (string, error) {
	return d.liftedThrough(ctx, d.client(tls.VersionTLS10))
}

func (d *demo) rsaLifted(ctx context.Context) (string, error) {
	return d.liftedThrough(ctx, d.client(tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA))
}

func (d *demo) liftedThrough(ctx context.Context, c *fakem365.Client) (string, error) {
	answer, err := d.through(ctx, c, demoURL)
	if err != nil {
		return "", err
	}
	if answer.TLS.PeerCertificates[0].CheckSignatureFrom(d.ca.Certificate()) != nil {
		return "", errors.New("expected a certificate of tlslift's CA")
	}
	return fmt.Sprintf("Answered: %s\nThe client spoke %s, %s, with a certificate of tlslift's CA.",
		strings.TrimSpace(answer.Body), tls.VersionName(answer.TLS.Version), tls.CipherSuiteName(answer.TLS.CipherSuite)), nil
}

func (d *demo) modernPassed(ctx context.Context) (string, error) {
	answer, err := d.through(ctx, d.client(tls.VersionTLS12), demoURL)
	if err != nil {
		return "", err
	}
	if !answer.TLS.PeerCertificates[0].Equal(d.web.Leaf()) {
		return "", errors.New("expected the server's own certificate")
	}
	return fmt.Sprintf("Answered: %s\nIt saw the server's own certificate (SHA-256 %.16s…): tlslift decrypted nothing.",
		strings.TrimSpace(answer.Body), fakem365.Fingerprint(answer.TLS.PeerCertificates[0])), nil
}

func (d *demo) notAllowed(ctx context.Context) (string, error) {
	_, err := d.through(ctx, d.client(tls.VersionTLS10), "https://www.example.com/")
	var refusal *fakem365.ProxyError
	if !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden {
		return "", fmt.Errorf("expected 403 from tlslift, got %w", errOr(err))
	}
	return fmt.Sprintf("Refused with status %d. tlslift says:\n%s", refusal.Status, strings.TrimSpace(refusal.Body)), nil
}

func (d *demo) sslv2Direct(ctx context.Context) (string, error) {
	c := d.client(tls.VersionTLS10)
	c.Address = d.web.Addr()
	_, err := c.GetLegacy(ctx, demoURL)
	var alert tls.AlertError
	if !errors.As(err, &alert) {
		return "", fmt.Errorf("expected the fake server to refuse with an alert, got %w", errOr(err))
	}
	return "Refused: " + strings.TrimPrefix(alert.Error(), "tls: ") + ".", nil
}

func (d *demo) sslv2Lifted(ctx context.Context) (string, error) {
	c := d.client(tls.VersionTLS10)
	c.Proxy = d.proxy
	answer, err := c.GetLegacy(ctx, demoURL)
	if late := d.recorded(ctx); late != nil {
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
func (d *demo) scan(ctx context.Context, address string) (fakem365.Sent, error) {
	c := d.client(tls.VersionTLS10)
	c.Address = address
	return c.SendMail(ctx, fakem365.Mail{
		User: demoMailbox, Password: demoPassword, From: demoMailbox, To: []string{"archive@contoso.com"},
		Data: []byte("Subject: Scan of page 1\n\nIt would be here.\n"),
	})
}

func (d *demo) scanDirect(ctx context.Context) (string, error) {
	_, err := d.scan(ctx, d.mail.Addr())
	var refusal *fakem365.ReplyError
	if !errors.As(err, &refusal) || refusal.Code != 421 {
		return "", fmt.Errorf("expected 421 from the fake server, got %w", errOr(err))
	}
	return fmt.Sprintf("Refused: %d %s", refusal.Code, refusal.Text), nil
}

func (d *demo) scanLifted(ctx context.Context) (string, error) {
	sent, err := d.scan(ctx, d.smtp)
	if late := d.recorded(ctx); late != nil {
		return "", late
	}
	if err != nil {
		return "", err
	}
	mails := d.mail.Messages()
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
