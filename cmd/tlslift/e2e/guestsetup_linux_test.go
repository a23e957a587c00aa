package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// firstSetup does what README.md says, with its own words, and measures how long it takes. Only
// where Microsoft 365 is has to be said, since there is none.
func (g *guest) firstSetup() {
	if err := os.Mkdir("/etc/tlslift", 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile("/etc/tlslift/secret.env", []byte(g.connectTo()+"\n"), 0o600); err != nil {
		g.t.Fatal(err)
	}
	out, _ := g.try("systemd-analyze", "time")
	g.t.Log(strings.TrimSpace(out))
	commands := regexp.MustCompile("(?s)## Install it\n.*?```sh\n(.*?)```").FindStringSubmatch(readFile(g.t, "/payload/README.md"))
	if commands == nil {
		g.t.Fatal("README.md has no commands")
	}
	joined := strings.NewReplacer("\\\n", "", "&&\n", "&& ").Replace(commands[1])
	file := regexp.MustCompile(`tlslift_[0-9.]+_amd64\.deb`).FindString(joined)
	g.run("install", "-m", "0644", "/payload/tlslift_0.0.1_amd64.deb", "/home/admin/"+file)
	began := time.Now()
	n := 0
	for command := range strings.Lines(joined) {
		start := time.Now()
		g.run("runuser", "-u", "admin", "--", "sh", "-ec", "cd /home/admin; "+command)
		n++
		g.t.Logf("%5.1f s: %s", time.Since(start).Seconds(), strings.TrimSpace(command))
	}
	start := time.Now()
	g.scan()
	g.t.Logf("%5.1f s: a scan by TLS 1.0 with swaks", time.Since(start).Seconds())
	g.t.Logf("%d commands and 1 setting, %.1f s from the package to the first scan that was lifted", n, time.Since(began).Seconds())
}

// unit checks that the service is what its unit says.
func (g *guest) unit() {
	for property, want := range map[string]string{
		"Type": "notify", "ActiveState": "active", "SubState": "running", "NRestarts": "0", "UnitFileState": "enabled", "Result": "success",
	} {
		if got := g.show("tlslift", property); got != want {
			g.t.Errorf("%s is %q", property, got)
		}
	}
	process := "/proc/" + strconv.Itoa(g.mainPID())
	status := readFile(g.t, process+"/status")
	user := strings.TrimSpace(g.run("id", "--user", "tlslift"))
	const netBindService = "0000000000000400"
	for _, want := range []string{
		fmt.Sprintf("Uid:\t%[1]s\t%[1]s\t%[1]s\t%[1]s\n", user), "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
		"CapInh:\t" + netBindService, "CapPrm:\t" + netBindService, "CapEff:\t" + netBindService,
		"CapBnd:\t" + netBindService, "CapAmb:\t" + netBindService,
	} {
		if !strings.Contains(status, want) {
			g.t.Errorf("no %q in\n%s", want, status)
		}
	}
	limits := strings.Join(strings.Fields(readFile(g.t, process+"/limits")), " ")
	for _, want := range []string{"Max core file size 0 0", "Max open files 65536 65536"} {
		if !strings.Contains(limits, want) {
			g.t.Errorf("no %q in %s", want, limits)
		}
	}
	// What its file system has, even for root.
	for command, want := range map[string]string{
		"touch /usr/bin/x": "Read-only file system", "touch /etc/tlslift/x": "Read-only file system",
		"ls /home/admin": "No such file", "ls /dev/vda": "No such file",
	} {
		out, err := g.try("nsenter", "--target", strconv.Itoa(g.mainPID()), "--mount", "sh", "-c", command)
		if err == nil || !strings.Contains(out, want) {
			g.t.Errorf("%s: %v %s", command, err, out)
		}
	}
	out, _ := g.try("systemd-analyze", "security", "--no-pager", "tlslift")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	g.t.Log(lines[len(lines)-1])
	g.run("tlslift", "healthcheck")
	g.settings()
	g.run("rm", "/etc/tlslift/secret.env") // it would win
	g.run("systemctl", "restart", "tlslift")
	out, err := g.try("tlslift", "check")
	g.t.Logf("%v\n%s", err, out)
	// An ordinary user may not look at the CA, which is no reason to say that it is lost.
	out, _ = g.try("runuser", "-u", "admin", "--", "tlslift", "check")
	if !strings.Contains(out, "/var/lib/tlslift/ca") || strings.Count(out, "run sudo tlslift check") < 2 {
		g.t.Errorf("an ordinary user reads\n%s", out)
	}
}

// lines are those that tlslift itself has written to the journal.
func (g *guest) lines(more ...string) []string {
	g.t.Helper()
	args := []string{"--no-pager", "--boot", "--output=cat", "--identifier=tlslift", "--unit=tlslift"}
	out := g.run("journalctl", append(args, more...)...)
	return strings.Split(strings.TrimSpace(out), "\n")
}

// journal checks that all that tlslift says is JSON, without a warning, and one line for a scan.
func (g *guest) journal() {
	before := g.lines()
	g.scan()
	g.await("the line of the scan", func() bool { return len(g.lines()) > len(before) })
	lines := g.lines()
	if len(lines) != len(before)+1 {
		g.t.Errorf("the lines of a scan are\n%s", strings.Join(lines[len(before):], "\n"))
	}
	for _, line := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["level"] != "INFO" || fields["msg"] == nil {
			g.t.Errorf("%v: %s", err, line)
		}
	}
	g.t.Logf("%d lines, the last is %s", len(lines), lines[len(lines)-1])
}

// scrape runs Debian's Prometheus with the files that are in the package.
func (g *guest) scrape() {
	p := startPrometheus(g.t, g.l.admin)
	g.await("the scrape", func() bool {
		return p.has(`sum(tlslift_connections_total{outcome="lifted"}) >= 1`)
	})
}

// reload has a broken file, by systemctl and by a signal: nothing changes.
func (g *guest) reload() {
	before := g.mainPID()
	g.settings("TLSLIFT_IDLE_TIMEOUT=soon")
	out, err := g.try("systemctl", "reload", "tlslift")
	if err == nil {
		g.t.Errorf("a broken file is loaded: %s", out)
	}
	g.t.Log(strings.TrimSpace(out))
	if out, _ = g.try("systemctl", "status", "--no-pager", "--lines=20", "--full", "tlslift"); !strings.Contains(out, "TLSLIFT_IDLE_TIMEOUT") {
		g.t.Errorf("the status does not name the mistake:\n%s", out)
	}
	const worked = "tlslift_config_last_reload_successful "
	g.scan()
	g.run("systemctl", "kill", "--kill-who=main", "--signal=HUP", "tlslift")
	g.await("the failure", func() bool { return g.exposes(worked + "0") })
	g.scan()
	for _, want := range []string{"tlslift: TLSLIFT_IDLE_TIMEOUT: ", `"level":"ERROR","msg":"reading the configuration again`} {
		g.await("a line of level err", func() bool { return strings.Contains(strings.Join(g.lines("--priority=err"), "\n"), want) })
	}
	if out := strings.Join(g.lines("--priority=warning"), "\n"); strings.Contains(out, `"level":"INFO"`) {
		g.t.Errorf("without level\n%s", out)
	}
	g.settings("TLSLIFT_IDLE_TIMEOUT=9m")
	g.run("systemctl", "reload", "tlslift")
	g.await("the success", func() bool { return g.exposes(worked + "1") })
	g.scan()
	if after := g.mainPID(); after != before {
		g.t.Errorf("process %d is %d after the reload", before, after)
	}
}
