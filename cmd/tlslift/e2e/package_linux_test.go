package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A machine is a Debian tree with systemd as its first process, in namespaces of its own. It has
// this machine's network.
type machine struct {
	t    *testing.T
	root string
	pid  string // of systemd, seen from here
	log  bytes.Buffer
}

// boot starts systemd in a tree. What it changes in the tree is gone in the end.
const boot = `
mount --make-rprivate /
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
cd "$2/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t cgroup2 cgroup2 sys/fs/cgroup 2>/dev/null || { mount -t sysfs sysfs sys; mount -t cgroup2 cgroup2 sys/fs/cgroup; }
mkdir -p run/lock
# Nothing but what is installed: no consoles, no clock, no file systems of a real machine.
ln -sfn /usr/lib/systemd/system/basic.target etc/systemd/system/default.target
for unit in systemd-udevd systemd-udev-trigger systemd-udevd-control.socket systemd-udevd-kernel.socket \
	systemd-timesyncd systemd-networkd systemd-logind systemd-remount-fs systemd-sysctl systemd-modules-load \
	dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
	sys-kernel-config.mount apt-daily.timer apt-daily-upgrade.timer getty.target network-online.target; do
	case $unit in *.*) ;; *) unit=$unit.service ;; esac
	ln -sfn /dev/null "etc/systemd/system/$unit"
done
export container=test
exec chroot . /lib/systemd/systemd --system --log-target=console --log-level=info --show-status=0
`

// bootMachine starts a machine from the tree that .ci/run makes.
func bootMachine(t *testing.T) *machine {
	t.Helper()
	testenv.NeedRoot(t, "boot a tree")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(cache, "tlslift-test-peers", "debian-tree")
	testenv.Need(t, filepath.Join(tree, "lib/systemd/systemd"))
	m := &machine{t: t, root: t.TempDir()}
	cmd := exec.Command("unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child",
		"sh", "-eu", "-c", boot, "sh", tree, m.root)
	cmd.Stdout, cmd.Stderr = &m.log, &m.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(end(m.log.String()))
		}
	})
	m.await("systemd", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		m.pid = strings.TrimSpace(string(children))
		if err != nil || m.pid == "" {
			return false
		}
		out, _ := m.try("systemctl", "is-active", "basic.target")
		return strings.TrimSpace(out) == "active"
	})
	return m
}

// await waits until something is so. Nothing tells when a program in the tree gets there.
func (m *machine) await(what string, isSo func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(testenv.Patience); !isSo(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: not in time", what)
		}
	}
}

// try runs a program in the tree.
func (m *machine) try(name string, args ...string) (string, error) {
	all := []string{"--target", m.pid, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wdns=/", "env", "-i",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", name}
	out, err := exec.Command("nsenter", append(all, args...)...).CombinedOutput()
	return string(out), err
}

// run is try of what has to work.
func (m *machine) run(name string, args ...string) string {
	m.t.Helper()
	out, err := m.try(name, args...)
	if err != nil {
		journal, _ := m.try("systemctl", "status", "--no-pager", "-l", "tlslift")
		m.t.Fatalf("%s %v: %v\n%s\n%s", name, args, err, out, journal)
	}
	return out
}

// write writes a file of the tree.
func (m *machine) write(path, text string) {
	m.t.Helper()
	if err := os.WriteFile(m.path(path), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// path is the path by which a file of the tree can be reached from here.
func (m *machine) path(path string) string { return filepath.Join("/proc", m.pid, "root", path) }

// install installs a version of the package that was made.
func (m *machine) install(version string) {
	m.t.Helper()
	name := "tlslift_" + version + "_amd64.deb"
	text, err := os.ReadFile(filepath.Join(os.Getenv("TLSLIFT_TEST_RELEASE"), name))
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("/tmp/"+name, string(text))
	m.run("dpkg", "--install", "/tmp/"+name)
}

// mainPID returns the process that is the service.
func (m *machine) mainPID() int {
	m.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(m.run("systemctl", "show", "--property=MainPID", "--value", "tlslift")))
	if err != nil {
		m.t.Fatal(err)
	}
	return pid
}

// version returns what the running program says of itself.
func (m *machine) version(admin string) string {
	m.t.Helper()
	resp, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "tlslift_build_info{") {
			_, rest, _ := strings.Cut(line, `,version="`)
			version, _, _ := strings.Cut(rest, `"`)
			return version
		}
	}
	m.t.Fatal("no version in the metrics")
	return ""
}

// The packages on a machine with nothing but Debian: install it, edit its settings, and
// an old scanner's mail arrives. An upgrade refuses and cuts off nobody. A removed package
// leaves the CA, and so does a purge to which nobody has said that it should go.
func TestPackages(t *testing.T) {
	t.Parallel()
	if os.Getenv("TLSLIFT_TEST_RELEASE") == "" {
		t.Skip("TLSLIFT_TEST_RELEASE does not name a directory that deploy/release has filled with versions 0.0.1 and 0.0.2")
	}
	testenv.Need(t, "swaks", "nsenter", "unshare", "rpm")
	fake := testenv.FakeM365(t)
	web, err := fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mail, err := fake.ServeSMTP(fakem365.MailOptions{Accounts: []fakem365.Account{{Address: mailUser, Password: mailPassword}}})
	if err != nil {
		t.Fatal(err)
	}
	m := bootMachine(t)
	began := time.Now()
	m.install("0.0.1")
	m.run("systemctl", "is-active", "tlslift") // with its default settings
	m.run("tlslift", "healthcheck")

	l := &tlslift{
		t: t, tls: testenv.FreeAddress(t), proxy: testenv.FreeAddress(t), admin: testenv.FreeAddress(t), http: http.DefaultClient,
	}
	m.write("/etc/tlslift/roots.pem", string(fake.RootPEM()))
	m.write("/etc/tlslift/tlslift.env", strings.Join([]string{
		"TLSLIFT_LISTEN=smtp://" + l.proxy + ",tls://" + l.tls + "?to=" + host + ":443",
		"TLSLIFT_ADMIN_LISTEN=" + l.admin,
		"TLSLIFT_CONNECT_TO=" + host + ":443=" + web.Addr() + "," + smtpHost + ":587=" + mail.Addr(),
		"TLSLIFT_UPSTREAM_CA_FILE=/etc/tlslift/roots.pem", "",
	}, "\n"))
	m.run("systemctl", "restart", "tlslift")
	l.caFile = filepath.Join(t.TempDir(), "ca.pem")
	ca := m.run("cat", "/var/lib/tlslift/ca/ca.pem")
	if err := os.WriteFile(l.caFile, []byte(ca), 0o600); err != nil {
		t.Fatal(err)
	}
	scan := mailCall{level: atTLS10, protocol: "smtp", tlsMode: startTLS, address: l.proxy, caFile: l.caFile, to: "office@example.com"}
	if out, err := swaksMail(t, scan); err != nil || len(mail.Messages()) != 1 {
		t.Fatalf("the scan does not arrive: %v\n%s", err, out)
	}
	t.Logf("%.1f s from the package to the first scan", time.Since(began).Seconds())

	// At a shell, too, the settings are those of the service, and its files can be read.
	m.run("tlslift", "healthcheck")
	if out := m.run("tlslift", "check"); !strings.Contains(out, "the tlslift that runs listens there") ||
		!strings.Contains(out, "/var/lib/tlslift/ca: valid until") || !strings.Contains(out, smtpHost+":587: can be reached") {
		t.Errorf("the check says\n%s", out)
	}

	m.upgrade(l, fake)
	// The process that has taken over ends by itself, after it has saved its state.
	m.run("systemctl", "stop", "tlslift")
	how := m.run("systemctl", "show", "--property=ExecMainCode,ExecMainStatus,Result", "tlslift")
	if !strings.Contains(how, "ExecMainCode=1\n") {
		t.Errorf("the process that had taken over was killed:\n%s", how)
	}
	m.run("systemctl", "start", "tlslift")
	if out := m.run("dpkg-query", "--show", "--showformat=${Conffiles}", "tlslift"); out != "" {
		t.Errorf("an upgrade will ask about %s", out)
	}
	m.leave(ca)
	m.rpm()
}

// rpm installs the RPM package, starts its service, and removes it.
func (m *machine) rpm() {
	m.t.Helper()
	rpm := func(args ...string) string {
		// This machine's rpm, where it sees the tree at its own place.
		all := []string{
			"--target", m.pid, "--mount", "--pid", "rpm", "--root", filepath.Join(m.root, "root"),
			"--dbpath", "/var/lib/rpm", "--nodeps", "--force-debian",
		}
		out, err := exec.Command("nsenter", append(all, args...)...).CombinedOutput()
		if err != nil {
			m.t.Fatalf("rpm %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	m.run("mkdir", "-p", "/var/lib/rpm") // Debian's rpm has its own ideas of where
	rpm("--install", filepath.Join(os.Getenv("TLSLIFT_TEST_RELEASE"), "tlslift-0.0.1-1.x86_64.rpm"))
	m.run("systemctl", "daemon-reload") // what its script did was outside of the tree's processes
	m.run("systemctl", "start", "tlslift")
	m.run("tlslift", "healthcheck")
	m.run("systemctl", "stop", "tlslift")
	m.run("systemctl", "enable", "tlslift.socket", "tlslift-rules.service", "tlslift-rules.timer")
	if out := rpm("--erase", "tlslift"); !strings.Contains(out, "stay in /var/lib/tlslift") {
		m.t.Errorf("the removal says nothing of what it leaves:\n%s", out)
	}
	m.run("test", "-e", "/var/lib/tlslift/ca/ca.pem")
	if out := m.run("find", "/etc/systemd", "-lname", "*tlslift*"); out != "" {
		m.t.Errorf("links of units are left over:\n%s", out)
	}
}

// upgrade installs the next version while clients connect and a session is open.
func (m *machine) upgrade(l *tlslift, fake *fakem365.Service) {
	m.t.Helper()
	o := startLoad(m.t, l, fake.Roots())
	open, err := o.open(true)
	if err != nil {
		m.t.Fatal(err)
	}
	o.more(20)
	before := m.mainPID()
	if got := m.version(l.admin); got != "0.0.1" {
		m.t.Errorf("version %q runs", got)
	}
	m.install("0.0.2")
	m.await("the hand-over", func() bool { return m.version(l.admin) == "0.0.2" })
	o.more(20)
	if err := askOnce(open); err != nil {
		m.t.Errorf("the open session does not survive the upgrade: %v", err)
	}
	_ = open.Close()
	o.end()
	o.wantNoErrors()
	if after := m.mainPID(); after == before {
		m.t.Error("systemd follows the first process still")
	}
	m.t.Logf("%d connections over the upgrade, %d failed", o.count(), len(o.errors))
}

// leave removes the package in all ways.
func (m *machine) leave(ca string) {
	m.t.Helper()
	m.run("systemctl", "enable", "tlslift.socket", "tlslift-rules.service", "tlslift-rules.timer")
	const file = "/var/lib/tlslift/ca/ca.pem"
	m.run("dpkg", "--remove", "tlslift")
	if out, _ := m.try("systemctl", "is-active", "tlslift"); strings.TrimSpace(out) == "active" {
		m.t.Error("the service runs after the removal")
	}
	m.install("0.0.2")
	m.run("systemctl", "is-active", "tlslift")
	if got := m.run("cat", file); got != ca {
		m.t.Error("a removal has changed the CA")
	}
	if out := m.run("dpkg", "--purge", "tlslift"); !strings.Contains(out, "stay in /var/lib/tlslift") {
		m.t.Errorf("the purge says nothing of what it leaves:\n%s", out)
	}
	if got := m.run("cat", file); got != ca {
		m.t.Error("a purge that nobody has confirmed has changed the CA")
	}
	m.install("0.0.2")
	m.run("sh", "-c", "echo tlslift tlslift/delete-ca boolean true | debconf-set-selections")
	m.run("dpkg", "--purge", "tlslift")
	// The administrator's own files in /etc/tlslift, such as a clients file, stay.
	out := m.run("find", "/etc", "/usr", "/var", "-xdev", "(", "-name", "*tlslift*", "-o", "-lname", "*tlslift*", ")",
		"-not", "-path", "/etc/tlslift", "-not", "-path", "/var/log/*")
	if out != "" {
		m.t.Errorf("left over after the purge:\n%s", out)
	}
}
