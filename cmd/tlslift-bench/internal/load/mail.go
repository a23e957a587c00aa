package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/backend"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/identity"
)

// Mails sends n mails of about size bytes, each in a session of its own with STARTTLS, at
// most atOnce at a time. It returns how long each took, from connecting to the reply to
// the mail, in seconds.
func (t Target) Mails(ctx context.Context, n, atOnce, size int) ([]float64, error) {
	config, err := t.config(identity.MailHost)
	if err != nil {
		return nil, err
	}
	mail := backend.Mail(size)
	return each(ctx, n, atOnce, func(ctx context.Context, _ int) error { return t.mail(ctx, config, mail) })
}

func (t Target) mail(ctx context.Context, config *tls.Config, mail string) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return err
	}
	c, err := smtp.NewClient(conn, identity.MailHost)
	if err != nil {
		return fmt.Errorf("reading the greeting: %w", err)
	}
	if err := c.Hello("scanner.example.com"); err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	if err := c.StartTLS(config); err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}
	state, _ := c.TLSConnectionState()
	if err := t.checkState(state); err != nil {
		return err
	}
	if err := c.Mail("scanner@example.com"); err != nil {
		return fmt.Errorf("MAIL: %w", err)
	}
	if err := c.Rcpt("office@example.com"); err != nil {
		return fmt.Errorf("RCPT: %w", err)
	}
	if err := data(c, mail); err != nil {
		return err
	}
	return c.Quit()
}

// data sends the mail and checks the reply, which smtp.Client would throw away.
func data(c *smtp.Client, mail string) error {
	if err := c.Text.PrintfLine("DATA"); err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	if _, _, err := c.Text.ReadResponse(354); err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	w := c.Text.DotWriter()
	if _, err := io.WriteString(w, mail); err != nil {
		return fmt.Errorf("sending the mail: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("sending the mail: %w", err)
	}
	_, text, err := c.Text.ReadResponse(250)
	if err != nil {
		return fmt.Errorf("the reply to the mail: %w", err)
	}
	if want := backend.MailReply(int64(len(mail)), tls.VersionName(tls.VersionTLS12)); "250 "+text != want {
		return fmt.Errorf("the reply to the mail is %q, not %q", text, want)
	}
	return nil
}
