package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A Debian with a kernel and systemd of its own, in qemu: see guest_linux_test.go for what
// happens there. It boots twice, and has no network but its own.
func TestVirtualMachine(t *testing.T) {
	accelerator := os.Getenv("TLSLIFT_TEST_VM")
	if accelerator == "" {
		t.Skip("TLSLIFT_TEST_VM does not name qemu's accelerator, tcg or kvm")
	}
	testenv.NeedRoot(t, "make a Debian")
	testenv.Need(t, "qemu-system-x86_64", "mke2fs", "debootstrap")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	debian := filepath.Join(cache, "tlslift-test-peers", "debian-vm")
	if _, err := os.Stat(debian); err != nil {
		t.Logf("making a Debian in %s", debian)
		hostRun(t, "testdata/debian-vm.sh", debian)
	}
	dir := t.TempDir()
	payload := filepath.Join(dir, "payload.img")
	hostRun(t, "mke2fs", "-q", "-t", "ext4", "-d", fillPayload(t, dir), payload, "512M")
	result, console := filepath.Join(dir, "result"), filepath.Join(dir, "console")
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	vm := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", accelerator, "-cpu", "max", "-smp", "2", "-m", "1536",
		"-nodefaults", "-display", "none", "-nic", "none",
		"-drive", "if=virtio,format=raw,snapshot=on,file="+filepath.Join(debian, "disk.img"),
		"-drive", "if=virtio,format=raw,readonly=on,file="+payload,
		"-serial", "file:"+console, "-serial", "file:"+result,
		"-kernel", filepath.Join(debian, "vmlinuz"), "-initrd", filepath.Join(debian, "initrd.img"),
		"-append", "root=/dev/vda rw console=ttyS0")
	out, err := vm.CombinedOutput()
	said, _ := os.ReadFile(result)
	text := strings.ReplaceAll(string(said), "\r", "")
	t.Logf("%s\n%s", out, text)
	for _, want := range []string{"before the reboot: 0\n", "after the reboot: 0\n"} {
		if err == nil && !strings.Contains(text, want) {
			err = errors.New("nothing says " + want)
		}
	}
	if err != nil {
		boots, _ := os.ReadFile(console)
		t.Fatalf("%v\n%s", err, end(string(boots)))
	}
}

// guestScript is what the guest runs at each boot.
const guestScript = `#!/bin/sh
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TLSLIFT_TEST_RELEASE=/payload TLSLIFT_TEST_PEERS=required
cd /payload/cmd/tlslift/e2e
if [ -e /root/rebooted ]; then when=after then=poweroff; else when=before then=reboot; fi
TLSLIFT_TEST_GUEST=$when ./e2e.test -test.run '^TestGuest$' -test.v -test.timeout 40m
echo "$when the reboot: $?"
touch /root/rebooted
systemctl --no-block $then
`

// fillPayload makes the directory of what the guest gets: the packages, this test, and the files
// that it reads, at the same places as here.
func fillPayload(t *testing.T, dir string) string {
	t.Helper()
	payload := filepath.Join(dir, "payload")
	here := filepath.Join(payload, "cmd", "tlslift", "e2e")
	if err := os.MkdirAll(here, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(payload, "run"), []byte(guestScript), 0o755); err != nil {
		t.Fatal(err)
	}
	hostRun(t, "go", "test", "-c", "-o", filepath.Join(here, "e2e.test"), ".")
	release := os.Getenv("TLSLIFT_TEST_RELEASE")
	if release == "" {
		release = filepath.Join(dir, "release")
		for _, version := range []string{"0.0.1", "0.0.2"} {
			hostRun(t, "../../../deploy/release", version, release, "linux/amd64")
		}
	}
	debs, _ := filepath.Glob(filepath.Join(release, "*.deb"))
	hostRun(t, "cp", slices.Concat(debs, []string{"../../../README.md", payload})...)
	hostRun(t, "cp", "-r", "../../../deploy", payload)
	return payload
}

// hostRun runs a program on this machine, which has to work.
func hostRun(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, end(string(out)))
	}
}
