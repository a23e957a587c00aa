package entra_test

import (
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/fakem365/fakeentra"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/upstream"
)

// egress returns an HTTP client that reaches w through the upstream dialer.
func egress(t *testing.T, fake *fakem365.Service, w *world) *http.Client {
	t.Helper()
	server, err := w.Serve(fake, fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dialer, err := upstream.New(upstream.Config{ConnectTo: map[string]string{fakeentra.Host + ":443": server.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:     dialer.DialContext,
		TLSClientConfig: &tls.Config{RootCAs: fake.Roots(), MinVersion: tls.VersionTLS12},
	}}
}

// auth signs in at SMTP with a token, and returns the reply.
func auth(t *testing.T, fake *fakem365.Service, server *fakem365.MailServer, value string) string {
	t.Helper()
	text := textproto.NewConn(testenv.DialTLS(t, testenv.Direct(fake, server.Server), "smtp.office365.com:587"))
	answer := base64.StdEncoding.EncodeToString([]byte("user=" + mailbox + "\x01auth=Bearer " + value + "\x01\x01"))
	if _, _, err := text.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	if err := text.PrintfLine("EHLO tlslift\r\nAUTH XOAUTH2 %s", answer); err != nil {
		t.Fatal(err)
	}
	if _, _, err := text.ReadResponse(250); err != nil {
		t.Fatal(err)
	}
	code, reply, err := text.ReadResponse(0)
	if err != nil && code == 0 {
		t.Fatal(err)
	}
	return reply
}

// A token that tlslift gets opens the mailbox, until it is revoked; then another one
// does.
func TestTokenOpensAMailbox(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t)
	c := w.config(t)
	c.HTTP = egress(t, fake, w)
	s := w.source(t, c)
	server, err := fake.ServeSMTP(fakem365.MailOptions{
		Implicit: true, Tokens: w, Accounts: fakem365.Accounts{{Address: mailbox, Delegates: []string{application, person}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	signedIn(t, w, s)
	for _, id := range []entra.Identity{smtp, shared} {
		first := token(t, s, id)
		if got := auth(t, fake, server, first.Value); !strings.HasPrefix(got, "2.") {
			t.Errorf("the reply is %q", got)
		}
		w.Revoke(first.Value)
		if got := auth(t, fake, server, first.Value); !strings.HasPrefix(got, "5.7.3 ") {
			t.Errorf("the reply to a revoked token is %q", got)
		}
		second, err := s.Renew(t.Context(), id, first)
		if err != nil {
			t.Fatal(err)
		}
		if got := auth(t, fake, server, second.Value); !strings.HasPrefix(got, "2.") {
			t.Errorf("the reply to the new token is %q", got)
		}
	}
}

// Whoever stands in the place of Entra without its certificate gets no secret.
func TestEntraIsVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config(t)
	c.HTTP = egress(t, testenv.FakeM365(t), w)
	transport, _ := c.HTTP.Transport.(*http.Transport)
	transport.TLSClientConfig.RootCAs = testenv.FakeM365(t).Roots() // of another
	_, err := w.source(t, c).Token(t.Context(), smtp)
	wantReason(t, err, record.ReasonEntraUnreachable)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("the error is %v", err)
	}
	if got := w.Counts(); got != (fakeentra.Counts{}) {
		t.Errorf("it was asked: %+v", got)
	}
}
