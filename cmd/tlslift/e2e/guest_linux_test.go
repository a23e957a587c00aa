package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A guest is the Debian of TestVirtualMachine, seen by a test that runs in it as root.
type guest struct {
	*machine

	l    *tlslift
	fake *fakem365.Service
	web  *fakem365.Server
	mail *fakem365.MailServer
}

const (
	guestAddress = "192.168.20.1" // in the office
	keptCA       = "/root/ca.pem" // what is kept over the reboot
	settingsFile = "/etc/tlslift/tlslift.env"
	dropIns      = "/etc/systemd/system/tlslift.service.d"
)

// TestGuest has what TestVirtualMachine does in its guest: first with a Debian on which tlslift
// has never been, and again after a reboot. Each step goes on from the one before.
func TestGuest(t *testing.T) {
	type step struct {
		name string
		do   func(*guest)
	}
	parts := map[string][]step{
		"before": {
			{"FirstSetup", (*guest).firstSetup},
			{"Unit", (*guest).unit},
			{"Journal", (*guest).journal},
			{"Prometheus", (*guest).scrape},
			{"Reload", (*guest).reload},
			{"Upgrade", (*guest).upgradeUnderLoad},
			{"ChangedSettingsFile", (*guest).changedSettingsFile},
			{"Socket", (*guest).socket},
			{"Watchdog", (*guest).watchdog},
			{"Transparent", (*guest).transparent},
			{"Rules", (*guest).rules},
		},
		"after": {
			{"Back", (*guest).back},
			{"Removal", (*guest).removal},
		},
	}
	steps := parts[os.Getenv("TLSLIFT_TEST_GUEST")]
	if len(steps) == 0 {
		t.Skip("only in the guest of TestVirtualMachine")
	}
	g := newGuest(t)
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			g.t, g.l.t = t, t
			t.Cleanup(func() {
				if t.Failed() {
					out, _ := g.try("journalctl", "--no-pager", "--lines=60", "--boot")
					t.Log(end(out))
				}
			})
			s.do(g)
		})
	}
}

// newGuest starts a fake Microsoft 365, and gives the guest an address in an office.
func newGuest(t *testing.T) *guest {
	t.Helper()
	g := &guest{machine: &machine{t: t, root: "/", pid: "1"}, fake: testenv.FakeM365(t)}
	g.l = &tlslift{
		t: t, tls: "127.0.0.1:8443", proxy: guestAddress + ":587", admin: "127.0.0.1:9465", http: http.DefaultClient,
		caFile: "/var/lib/tlslift/ca/ca.pem",
	}
	var err error
	if g.web, err = g.fake.ServeHandler(fakem365.TLSOptions{}, http.HandlerFunc(sumOf)); err != nil {
		t.Fatal(err)
	}
	accounts := []fakem365.Account{{Address: mailUser, Password: mailPassword}}
	if g.mail, err = g.fake.ServeSMTP(fakem365.MailOptions{Accounts: accounts}); err != nil {
		t.Fatal(err)
	}
	g.run("ip", "link", "add", "office", "type", "dummy")
	g.run("ip", "address", "add", guestAddress+"/24", "dev", "office")
	g.run("ip", "link", "set", "office", "up")
	g.write("/usr/local/share/ca-certificates/fake.crt", string(g.fake.RootPEM()))
	g.run("update-ca-certificates")
	return g
}

// sumOf answers with the sum of what is sent.
func sumOf(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	if _, err := io.Copy(sum, r.Body); err == nil {
		_, _ = io.WriteString(w, hex.EncodeToString(sum.Sum(nil)))
	}
}

// connectTo is the setting by which tlslift finds the fake Microsoft 365.
func (g *guest) connectTo() string {
	return "TLSLIFT_CONNECT_TO=" + host + ":443=" + g.web.Addr() + "," + smtpHost + ":587=" + g.mail.Addr()
}

// settings writes the settings of all steps after the first.
func (g *guest) settings(more ...string) {
	g.t.Helper()
	lines := []string{
		"TLSLIFT_LISTEN=smtp://:587,smtps://:465,redirect://:9443,tls://" + g.l.tls + "?to=" + host + ":443",
		"TLSLIFT_UPSTREAM_MARK=0",
		"TLSLIFT_DRAIN_TIMEOUT=40s", // an emulated processor is slow; less than TimeoutStopSec
		g.connectTo(),
	}
	g.write(settingsFile, strings.Join(append(lines, more...), "\n")+"\n")
}

// show returns a property of a unit.
func (g *guest) show(unit, property string) string {
	g.t.Helper()
	return strings.TrimSpace(g.run("systemctl", "show", "--value", "--property="+property, unit))
}

// scan sends a mail by TLS 1.0, which has to arrive.
func (g *guest) scan() {
	g.t.Helper()
	if err := g.tryScan(); err != nil {
		g.t.Fatal(err)
	}
}

// tryScan sends a mail by TLS 1.0, and returns why it has not arrived.
func (g *guest) tryScan() error {
	before := len(g.mail.Messages())
	call := mailCall{level: atTLS10, protocol: "smtp", tlsMode: startTLS, address: g.l.proxy, caFile: g.l.caFile, to: "office@example.com"}
	if out, err := swaksMail(g.t, call); err != nil || len(g.mail.Messages()) != before+1 {
		return fmt.Errorf("the scan does not arrive: %v\n%s", err, out)
	}
	return nil
}

// exposes reports whether the metrics have such a line.
func (g *guest) exposes(line string) bool {
	g.t.Helper()
	for _, l := range g.l.metric(g.t, line) {
		if l == line {
			return true
		}
	}
	return false
}
