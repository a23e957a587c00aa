package sandbox

import (
	"errors"
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

const (
	fileRights  = ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSExecute
	readRights  = ll.AccessFSReadFile | ll.AccessFSReadDir
	writeRights = readRights | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg | ll.AccessFSRemoveFile |
		ll.AccessFSMakeDir | ll.AccessFSRemoveDir
	executeRights = readRights | ll.AccessFSExecute
)

// Enter leaves the process, and those that it starts, only what the limits permit, and
// what is open already. It reports what the kernel enforces: "files and ports", "files"
// (before Linux 6.7), or nothing if it has no Landlock (before Linux 5.13, or switched
// off). In any case no program that is started has more rights than this one (prctl(2),
// PR_SET_NO_NEW_PRIVS).
func Enter(l Limits) (enforced string, err error) {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return "", fmt.Errorf("giving up new privileges: %w", errno)
	}
	abi, err := ll.LandlockGetABIVersion()
	if err != nil || abi < 1 {
		return "", nil //nolint:nilerr // the kernel has no Landlock
	}
	c := landlock.Config{HandledAccessFS: landlock.V5.HandledAccessFS}
	var rules []landlock.Rule
	for rights, dirs := range map[landlock.AccessFSSet][]string{readRights: l.Read, writeRights: l.Write, executeRights: l.Execute} {
		for _, dir := range dirs {
			rules = append(rules, rule(rights, dir))
		}
	}
	enforced = "files"
	if l.Connect != nil {
		c.HandledAccessNet = ll.AccessNetConnectTCP
		for _, port := range l.Connect {
			rules = append(rules, landlock.ConnectTCP(port))
		}
		if abi >= 4 {
			enforced = "files and ports"
		}
	}
	err = c.BestEffort().Restrict(rules...)
	if errors.Is(err, unix.E2BIG) { // a successor of many that had the same limits
		return enforced, nil
	}
	if err != nil {
		return "", fmt.Errorf("entering the Landlock sandbox: %w", err)
	}
	return enforced, nil
}

// rule permits rights below a directory, or those that a file can have.
func rule(rights landlock.AccessFSSet, path string) landlock.Rule {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		rights &= fileRights
	}
	return landlock.PathAccess(rights, path).IgnoreIfMissing()
}
