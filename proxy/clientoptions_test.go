package proxy_test

import (
	"bufio"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// table parses a clients file.
func table(t *testing.T, text string) *clientfile.Table {
	t.Helper()
	parsed, err := clientfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// What the clients file says of a client goes before what the listener says,
// and a new table holds for the next connection.
func TestClientOptionsDecideAboutPlaintext(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{MX: true}, func(c *proxy.Config) {
		c.Clients = table(t, "clients:\n- {name: old scanner, network: 127.0.0.0/8, plaintext: allow}\n")
	})
	for _, tt := range []struct {
		file    string // empty: as it is
		via     string
		allowed bool
		name    string
	}{
		{"", viaSMTP, true, "old scanner"},
		{"clients:\n- {name: new, address: 127.0.0.1, plaintext: refuse}\n", viaPlain, false, "new"},
		{"clients:\n- {name: other place, address: 192.0.2.1, plaintext: allow}\n", viaSMTP, false, ""},
		{"clients:\n- {name: no word of it, address: 127.0.0.1}\n", viaPlain, true, "no word of it"},
	} {
		if tt.file != "" {
			w.world.server.SetClients(table(t, tt.file))
		}
		client := w.client(tls.VersionTLS10)
		client.Proxy, client.Address = "", w.at[tt.via]
		_, err := client.SendMail(t.Context(), fakem365.Mail{Security: fakem365.NoTLS, From: mailbox, To: []string{mailbox}})
		var refusal *fakem365.ReplyError
		switch {
		case tt.allowed && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case !tt.allowed && (!errors.As(err, &refusal) || refusal.Code != 530):
			t.Errorf("%s: got %v, want 530", tt.name, err)
		}
		if rec := w.record(); rec.ClientName != tt.name {
			t.Errorf("recorded as %q, want %q", rec.ClientName, tt.name)
		}
	}
}

// A client whose clock stands in 2000 is served, if it has the backdated CA.
func TestClientWithADeadClock(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, https(t, fake, fakem365.TLSOptions{}).Addr(), func(c *proxy.Config) {
		c.Clients = table(t, "clients: [{name: fax, address: 127.0.0.1, leaf: {not_before: 2000-01-01}}]")
	})
	root, err := w.ca.Form(localca.Form{Backdated: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg := w.oldConfig()
	cfg.RootCAs = x509.NewCertPool()
	cfg.RootCAs.AddCert(root)
	cfg.Time = func() time.Time { return time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC) }
	conn := tls.Client(dial(t, w.tls), cfg)
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Error(err)
	}
	_ = conn.Close()
	w.expect(record.OutcomeLifted, "")
}

// A client gets the kind of certificate and the suites that the file says.
func TestClientOptionsDecideAboutTLS(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	w := newWorld(t, fake, https(t, fake, fakem365.TLSOptions{}).Addr(), func(c *proxy.Config) {
		c.Clients = table(t, "clients:\n- {name: xp, address: 127.0.0.1, ciphers: [rc4], leaf: {hash: sha1, bits: 1024, chain: leaf+ca}}\n")
	})
	cfg := w.oldConfig()
	cfg.CipherSuites = []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}
	// crypto/tls trusts no SHA-1, but the error tells what it was shown.
	var verification *tls.CertificateVerificationError
	if err := tls.Client(dial(t, w.tls), cfg).HandshakeContext(t.Context()); !errors.As(err, &verification) {
		t.Fatalf("got %v, want a certificate that crypto/tls does not take", err)
	}
	certs := verification.UnverifiedCertificates
	root, err := w.ca.Form(localca.Form{SHA1: true})
	if err != nil || len(certs) != 2 || !certs[1].Equal(root) {
		t.Fatalf("got a chain of %d, %v; want the leaf and the CA signed with SHA-1", len(certs), err)
	}
	if bits := certs[0].PublicKey.(*rsa.PublicKey).N.BitLen(); bits != 1024 || certs[0].SignatureAlgorithm != x509.SHA1WithRSA {
		t.Errorf("got %d bits and %s", bits, certs[0].SignatureAlgorithm)
	}
}

// A connection that was open when its client got a name, or another one, is recorded by
// that name.
func TestClientIsNamedWhileItIsConnected(t *testing.T) {
	t.Parallel()
	w := newMailWorld(t, fakem365.MailOptions{}, nil)
	for _, name := range []string{"scanner", "copier", "copier"} {
		conn := dial(t, w.at[viaSMTP])
		hear(t, bufio.NewReader(conn), "220 ")
		w.world.server.SetClients(table(t, "clients:\n- {name: "+name+", address: 127.0.0.1}\n"))
		_ = conn.Close()
		if rec := w.record(); rec.ClientName != name {
			t.Errorf("recorded as %q, want %q", rec.ClientName, name)
		}
	}
}

// A short leaf cannot sign by PSS with SHA-512. A client that can check nothing else
// is refused with a reason, and one that does without a signature is served.
func TestShortLeafAndSignatures(t *testing.T) {
	t.Parallel()
	w, root := tls12World(t, false)
	w.server.SetClients(table(t, "clients: [{name: copier, address: 127.0.0.1, leaf: {bits: 1024}}]"))
	ask := func(suites string) string {
		testenv.Need(t, "openssl")
		cmd := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", w.tls, "-servername", host, "-CAfile", root, "-ign_eof",
			"-tls1_2", "-sigalgs", "RSA-PSS+SHA512", "-cipher", suites+":@SECLEVEL=0")
		cmd.Stdin = strings.NewReader(page)
		out, _ := cmd.CombinedOutput() // a failure is in it
		return string(out)
	}
	if out := ask("ECDHE-RSA-AES128-SHA"); !strings.Contains(out, "alert handshake failure") {
		t.Errorf("the client says:\n%s", out)
	}
	if r := w.expect(record.OutcomeRefused, record.ReasonNoSharedCipherSuite); !strings.Contains(r.Err.Error(), "leaf is too short") {
		t.Errorf("the record says %v", r.Err)
	}
	if out := ask("ECDHE-RSA-AES128-SHA:AES128-SHA"); !strings.Contains(out, "hello from "+host) {
		t.Errorf("the client says:\n%s", out)
	}
	w.expect(record.OutcomeLifted, "")
}
