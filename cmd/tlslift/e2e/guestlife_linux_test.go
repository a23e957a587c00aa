package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A transfer is an upload by TLS 1.0 that goes on until it is ended.
type transfer struct {
	g    *guest
	stop chan struct{}
	sum  chan string // of what was sent
	got  chan string // the server's answer: the sum of what has come, or an error
}

// beginTransfer begins to send, and goes on.
func (g *guest) beginTransfer() transfer {
	g.t.Helper()
	own := x509.NewCertPool()
	own.AppendCertsFromPEM([]byte(readFile(g.t, g.l.caFile)))
	secure := &tls.Config{ServerName: host, RootCAs: own, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}
	dial := func(context.Context, string, string) (net.Conn, error) { return tls.Dial("tcp", g.l.tls, secure) }
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialTLSContext: dial}}
	tr := transfer{g: g, stop: make(chan struct{}), sum: make(chan string, 1), got: make(chan string, 1)}
	out, in := io.Pipe()
	begun := make(chan struct{})
	go func() { tr.sum <- trickle(in, begun, tr.stop) }()
	go func() { tr.got <- answer(client.Post("https://"+host+"/upload", "text/plain", out)) }()
	select {
	case <-begun:
	case got := <-tr.got:
		g.t.Fatalf("the transfer ends at once: %s", got)
	}
	return tr
}

// trickle writes and closes in when it is told to stop; it returns the sum of what it has
// written, and closes begun when some of it was read.
func trickle(in *io.PipeWriter, begun, stop chan struct{}) string {
	sum, block := sha256.New(), make([]byte, 16<<10)
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for n := 0; ; n++ {
		_, _ = rand.Read(block)
		if _, err := in.Write(block); err != nil {
			return err.Error()
		}
		sum.Write(block)
		if n == 2 {
			close(begun)
		}
		select {
		case <-every.C:
		case <-stop:
			_ = in.Close()
			return hex.EncodeToString(sum.Sum(nil))
		}
	}
}

// answer returns what was answered.
func answer(response *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// end ends the transfer, and expects that all of it has arrived.
func (tr transfer) end() {
	tr.g.t.Helper()
	close(tr.stop)
	if sum, got := <-tr.sum, <-tr.got; got != sum {
		tr.g.t.Errorf("the transfer does not arrive whole: %s, not %s", got, sum)
	}
}

// installUnderLoad installs a version while clients connect and a transfer runs. What is done
// before is under the same load.
func (g *guest) installUnderLoad(version string, before func()) {
	g.t.Helper()
	o := startLoad(g.t, g.l, g.fake.Roots())
	o.more(20)
	before()
	pid := g.mainPID()
	running := g.beginTransfer()
	g.install(version)
	g.await("the hand-over", func() bool { return g.mainPID() != pid && g.version(g.l.admin) == version })
	o.more(20)
	running.end()
	o.end()
	o.wantNoErrors()
	g.t.Logf("%d connections, %d failed; the service is process %d: %s",
		o.count(), len(o.errors), g.mainPID(), g.show("tlslift", "StatusText"))
}

// upgradeUnderLoad installs the next version.
func (g *guest) upgradeUnderLoad() {
	g.installUnderLoad("0.0.2", func() {})
	g.scan()
}

// changedSettingsFile installs a package whose file of settings differs from the one before,
// when nobody is there to answer a question: what the administrator has written stays.
func (g *guest) changedSettingsFile() {
	g.t.Helper()
	before := g.run("cat", settingsFile)
	g.run("sh", "-ec", `cd /tmp
		dpkg-deb --raw-extract tlslift_0.0.2_amd64.deb next
		find next -name tlslift.env -exec sh -c 'echo "#TLSLIFT_LATER=1" >>$1' sh {} ';'
		sed -i 's/^Version: .*/Version: 0.0.3/' next/DEBIAN/control
		dpkg-deb --build --root-owner-group -Znone next tlslift_0.0.3_amd64.deb`)
	g.run("apt-get", "install", "-y", "/tmp/tlslift_0.0.3_amd64.deb")
	if g.run("cat", settingsFile) != before {
		g.t.Error("an upgrade has changed the settings")
	}
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

	g.installUnderLoad("0.0.2", func() { g.run("systemctl", "restart", "tlslift") })
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
	// It waits in the socket, for the next process. But systemd lets a stopped process go on when
	// it kills it, so that this one may take the connection at the last moment.
	if err := g.tryScan(); err != nil {
		g.t.Log(err)
		g.scan()
	}
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
