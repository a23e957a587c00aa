package serviceuser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// self is the program that runs.
const self = "/proc/self/exe"

// private is where systemd has the state directory of a unit with DynamicUser. Only root and
// the service itself can reach it.
const private = "/var/lib/private/"

// rightsFor returns the user of a directory, and what the unit of the service permits it.
func rightsFor(ctx context.Context, dir string) (*syscall.SysProcAttr, bool) {
	info, err := os.Stat(dir)
	if os.Geteuid() != 0 || err != nil {
		return nil, false
	}
	owner, is := info.Sys().(*syscall.Stat_t)
	if !is || owner.Uid == 0 {
		return nil, false
	}
	// Where it cannot become another user, or run itself, root goes on as it is.
	if _, err := os.Stat(self); err != nil || len(permitted([]uintptr{unix.CAP_SETUID, unix.CAP_SETGID})) < 2 {
		return nil, false
	}
	wanted := capabilities(ofUnit(ctx), exists(openRC))
	if path, err := filepath.EvalSymlinks(dir); err == nil && strings.HasPrefix(path, private) {
		wanted = append(wanted, unix.CAP_DAC_READ_SEARCH)
	}
	return &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid},
		AmbientCaps: permitted(wanted),
	}, true
}

// openRC is a directory that is there when OpenRC has started the system. Its script of the
// service gives it one capability; procd, on OpenWrt, and containers give it none.
const openRC = "/run/openrc"

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// unitTime is how long systemd may take to tell of the unit.
const unitTime = 5 * time.Second

// ofUnit returns what systemd tells of the unit of the service; nothing without systemd.
func ofUnit(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, unitTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemctl", "show", "--property=LoadState", "--property=AmbientCapabilities", "tlslift.service")
	cmd.WaitDelay = time.Second
	text, err := cmd.Output()
	if err != nil {
		return ""
	}
	return string(text)
}

// capabilities returns those that a unit gives the service. Without a unit, OpenRC may have
// started it. A program with capabilities of its own (setcap) has them in any case.
func capabilities(unit string, isOpenRC bool) (all []uintptr) {
	if !strings.Contains(unit, "LoadState=loaded\n") {
		if isOpenRC {
			all = append(all, unix.CAP_NET_BIND_SERVICE)
		}
		return all
	}
	_, rest, _ := strings.Cut("\n"+unit, "\nAmbientCapabilities=")
	given, _, _ := strings.Cut(rest, "\n")
	for _, name := range strings.Fields(given) {
		switch name {
		case "cap_net_bind_service":
			all = append(all, unix.CAP_NET_BIND_SERVICE)
		case "cap_net_admin":
			all = append(all, unix.CAP_NET_ADMIN)
		}
	}
	return all
}

// permitted returns the capabilities that this process has: root has not all in a container.
func permitted(wanted []uintptr) (has []uintptr) {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if unix.Capget(&header, &data[0]) != nil {
		return nil
	}
	for _, c := range wanted {
		if data[c/32].Permitted&(1<<(c%32)) != 0 {
			has = append(has, c)
		}
	}
	return has
}
