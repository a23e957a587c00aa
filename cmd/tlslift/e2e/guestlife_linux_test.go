package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/smtp"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// A transfer is a mail that is on its way.
type transfer struct {
	g      *guest
	client *smtp.Client
	data   io.WriteCloser
}

// A loginAuth is AUTH LOGIN, which net/smtp does not have.
type loginAuth struct{}

// Start implements smtp.Auth.
func (loginAuth) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

// Next implements smtp.Auth.
func (loginAuth) Next(fromServer []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case strings.HasPrefix(string(fromServer), "User"):
		return []byte(mailUser), nil
	}
	return []byte(mailPassword), nil
}

// beginTransfer sends the first half of a mail, by TLS 1.0.
func (g *guest) beginTransfer() transfer {
	g.t.Helper()
	own := x509.NewCertPool()
	own.AppendCertsFromPEM([]byte(readFile(g.t, g.l.caFile)))
	client, err := smtp.Dial(g.l.proxy)
	must := func(err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
	}
	must(err)
	must(client.StartTLS(&tls.Config{ServerName: smtpHost, RootCAs: own, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}))
	must(client.Auth(loginAuth{}))
	must(client.Mail(mailUser))
	must(client.Rcpt("office@example.com"))
	data, err := client.Data()
	must(err)
	_, err = io.WriteString(data, "Subject: large scan\r\n\r\n"+strings.Repeat(strings.Repeat("x", 70)+"\r\n", 10000))
	must(err)
	return transfer{g: g, client: client, data: data}
}

// end sends the second half, and expects that the mail arrives whole.
func (tr transfer) end() {
	tr.g.t.Helper()
	before := len(tr.g.mail.Messages())
	_, err := io.WriteString(tr.data, strings.Repeat(strings.Repeat("y", 70)+"\r\n", 10000))
	if err == nil {
		err = tr.data.Close()
	}
	if err == nil {
		err = tr.client.Quit()
	}
	all := tr.g.mail.Messages()
	if err != nil || len(all) != before+1 || len(all[before].Data) < 2*10000*72 {
		tr.g.t.Errorf("the mail does not arrive whole: %v, %d of %d", err, len(all), before+1)
	}
}

// upgradeUnderLoad installs the next version while clients connect, and in the middle of a mail.
func (g *guest) upgradeUnderLoad() {
	half := g.beginTransfer()
	g.upgrade(g.l, g.fake)
	half.end()
	g.t.Logf("the service is process %d, %s", g.mainPID(), g.show("tlslift", "StatusText"))
	g.scan()
}

// socket lets systemd open the listeners. Clients that come while tlslift is stopped wait.
func (g *guest) socket() {
	text := readFile(g.t, "/usr/lib/systemd/system/tlslift.socket")
	text = regexp.MustCompile(`(?m)^ListenStream=.*\n`).ReplaceAllString(text, "")
	text = strings.Replace(text, "[Socket]\n", "[Socket]\nListenStream=587\nListenStream=465\nListenStream=9443\nListenStream="+g.l.tls+
		"\nListenStream="+g.l.admin+"\n", 1)
	g.write("/etc/systemd/system/tlslift.socket", text)
	g.run("systemctl", "daemon-reload")
	g.run("systemctl", "stop", "tlslift")
	g.run("systemctl", "enable", "--now", "tlslift.socket", "tlslift")
	g.scan()
	out := g.run("systemctl", "stop", "tlslift")
	g.t.Log(strings.TrimSpace(out))
	if out, _ := g.try("systemctl", "is-active", "tlslift"); strings.TrimSpace(out) != "inactive" {
		g.t.Errorf("a stopped service is %s", out)
	}
	g.scan() // which starts it
	g.run("systemctl", "is-active", "tlslift")

	o := startLoad(g.t, g.l, g.fake.Roots())
	o.more(20)
	g.run("systemctl", "restart", "tlslift")
	o.more(20)
	before := g.mainPID()
	half := g.beginTransfer()
	g.install("0.0.2")
	g.await("the hand-over", func() bool { return g.mainPID() != before && g.version(g.l.admin) == "0.0.2" })
	o.more(20)
	half.end()
	o.end()
	o.wantNoErrors()
	g.t.Logf("%d connections over a restart and a hand-over, %d failed", o.count(), len(o.errors))
}

// watchdog stops the process without a word, as a kernel or a bug might, and expects another.
func (g *guest) watchdog() {
	if err := os.MkdirAll(dropIns, 0o755); err != nil {
		g.t.Fatal(err)
	}
	g.write(dropIns+"/watchdog.conf", "[Service]\nWatchdogSec=4\n")
	g.run("systemctl", "daemon-reload")
	g.run("systemctl", "restart", "tlslift")
	g.handOver() // the process that systemd did not start itself is watched as well
	before, restarts := g.mainPID(), g.show("tlslift", "NRestarts")
	g.run("kill", "-STOP", strconv.Itoa(before))
	g.scan() // waits in the socket, and is served by the next process
	g.await("the next process", func() bool { return g.show("tlslift", "SubState") == "running" && g.mainPID() != before })
	if after := g.show("tlslift", "NRestarts"); after == restarts {
		g.t.Errorf("started again %s times", after)
	}
	journal := g.run("journalctl", "--no-pager", "--boot", "--output=short-monotonic", "--unit=tlslift", "--identifier=systemd")
	for line := range strings.Lines(journal) {
		if strings.Contains(line, "atchdog") || strings.Contains(line, "SIGABRT") || strings.Contains(line, "Main process exited") {
			g.t.Log(strings.TrimSpace(line))
		}
	}
	if !strings.Contains(journal, "Watchdog timeout") || !strings.Contains(journal, "with signal SIGABRT") {
		g.t.Errorf("systemd says\n%s", journal)
	}
	if out := g.run("find", "/", "-xdev", "-name", "core*", "-type", "f", "-newer", dropIns+"/watchdog.conf"); out != "" {
		g.t.Errorf("files of a crash: %s", out)
	}
	said := strings.Join(g.lines(), "\n")
	g.t.Logf("%d bytes in the journal since the boot, %d of stacks", len(said), len(said)-max(0, strings.Index(said, "SIGABRT")))
	for _, secret := range []string{mailPassword, "PRIVATE KEY"} {
		if strings.Contains(said, secret) {
			g.t.Errorf("the journal has %q", secret)
		}
	}
	if err := os.Remove(dropIns + "/watchdog.conf"); err != nil {
		g.t.Fatal(err)
	}
	g.run("systemctl", "daemon-reload")
	g.run("systemctl", "restart", "tlslift")
	g.scan()
}

// handOver lets another process be the service.
func (g *guest) handOver() {
	g.t.Helper()
	before := g.mainPID()
	g.run("systemctl", "kill", "--kill-who=main", "--signal=USR2", "tlslift")
	g.await("the hand-over", func() bool { return g.mainPID() != before })
}

// transparent gives the service the right that a tproxy:// listener needs, as its page says.
func (g *guest) transparent() {
	g.run("install", "-m", "0644", "/usr/share/doc/tlslift/examples/transparent.conf", dropIns+"/transparent.conf")
	g.settings()
	text := readFile(g.t, settingsFile)
	g.write(settingsFile, strings.Replace(text, "TLSLIFT_LISTEN=", "TLSLIFT_LISTEN=tproxy://:9444,", 1))
	g.run("systemctl", "daemon-reload")
	g.run("systemctl", "restart", "tlslift")
	if status := readFile(g.t, "/proc/"+strconv.Itoa(g.mainPID())+"/status"); !strings.Contains(status, "CapEff:\t0000000000001400") {
		g.t.Errorf("the rights are\n%s", status)
	}
	g.scan()
	if err := os.Remove(dropIns + "/transparent.conf"); err != nil {
		g.t.Fatal(err)
	}
	g.settings()
	g.run("systemctl", "daemon-reload")
	g.run("systemctl", "restart", "tlslift")
}

// rules loads the firewall rules, and keeps what the reboot must not change.
func (g *guest) rules() {
	g.run("systemctl", "enable", "--now", "tlslift-rules.service", "tlslift-rules.timer")
	if out := g.run("nft", "list", "table", "ip", "tlslift"); !strings.Contains(out, "redirect to :9443") {
		g.t.Errorf("the rules are\n%s", out)
	}
	g.write(keptCA, readFile(g.t, g.l.caFile))
}

// back checks that all is there after the reboot.
func (g *guest) back() {
	if out := g.run("systemctl", "--failed", "--no-legend", "--no-pager"); strings.TrimSpace(out) != "" {
		g.t.Errorf("failed: %s", out)
	}
	g.run("systemctl", "is-active", "tlslift", "tlslift.socket", "tlslift-rules.timer")
	if readFile(g.t, g.l.caFile) != readFile(g.t, keptCA) {
		g.t.Error("the reboot has changed the CA")
	}
	if out := g.run("nft", "list", "table", "ip", "tlslift"); !strings.Contains(out, "redirect to :9443") {
		g.t.Errorf("the rules are\n%s", out)
	}
	if out := g.run("tlslift", "clients"); !strings.Contains(out, guestAddress) {
		g.t.Errorf("the clients are\n%s", out)
	}
	g.settings() // this fake Microsoft 365 has other ports and another root
	g.run("systemctl", "reload", "tlslift")
	g.await("the new settings", func() bool { return g.exposes("tlslift_config_last_reload_successful 1") })
	g.scan()
}

// removal removes the package and looks at what is left.
func (g *guest) removal() {
	g.run("rm", "/etc/systemd/system/tlslift.socket") // what the administrator has written
	g.leave(readFile(g.t, keptCA))
	if out := g.run("find", "/run", "-xdev", "(", "-name", "*tlslift*", "-o", "-lname", "*tlslift*", ")"); out != "" {
		g.t.Errorf("left over in /run:\n%s", out)
	}
	if out, err := g.try("nft", "list", "table", "ip", "tlslift"); err == nil {
		g.t.Logf("the rules stay until the next boot, or until somebody deletes them:\n%s", out[:min(len(out), 200)])
	}
}
