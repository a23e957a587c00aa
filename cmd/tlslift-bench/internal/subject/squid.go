package subject

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
)

// prepareSquid makes what Squid needs besides its configuration: a store of certificates
// for its helper, the address of the destination, and files that its user can read.
func prepareSquid(ctx context.Context, v *values) error {
	const file = "security_file_certgen"
	for _, dir := range []string{"/usr/lib/squid", "/usr/lib64/squid", "/usr/libexec/squid"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			v.Helper = filepath.Join(dir, file)
		}
	}
	if v.Helper == "" {
		return fmt.Errorf("%s is not installed: Squid is built without OpenSSL", file)
	}
	hosts := "127.0.0.1 " + v.Host + "\n"
	if err := os.WriteFile(filepath.Join(v.Dir, "hosts"), []byte(hosts), 0o600); err != nil {
		return fmt.Errorf("writing the hosts: %w", err)
	}
	store := filepath.Join(v.Dir, "certificates")
	if _, err := os.Stat(store); errors.Is(err, fs.ErrNotExist) {
		out, err := exec.CommandContext(ctx, v.Helper, "-c", "-s", store, "-M", "4MB").CombinedOutput() //nolint:gosec // a path of the list above
		if err != nil {
			return fmt.Errorf("making Squid's store of certificates: %w: %s", err, out)
		}
	}
	if v.User == "root" {
		return v.leaveRoot()
	}
	return nil
}

// leaveRoot gives Squid, which refuses to run as root, a user that the system has for it,
// and that user the files.
func (v *values) leaveRoot() error {
	u, err := user.Lookup("proxy") // on Debian
	if err != nil {
		u, err = user.Lookup("squid")
	}
	if err != nil {
		return errors.New("the system has no user for Squid, which refuses to run as root")
	}
	v.User = u.Username
	for _, path := range []*string{&v.BackendRoot, &v.ProxyRoot, &v.ProxyRootKey} {
		data, err := os.ReadFile(*path)
		if err != nil {
			return fmt.Errorf("reading an identity: %w", err)
		}
		*path = filepath.Join(v.Dir, filepath.Base(*path))
		if err := os.WriteFile(*path, data, 0o600); err != nil {
			return fmt.Errorf("writing an identity: %w", err)
		}
	}
	// Others may pass through the directory above, and read nothing in it.
	if err := os.Chmod(filepath.Dir(v.Dir), 0o711); err != nil { //nolint:gosec // all files in it are the owner's alone
		return fmt.Errorf("opening the directory for Squid's user: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fmt.Errorf("reading Squid's user: %w", err)
	}
	root, err := os.OpenRoot(v.Dir)
	if err != nil {
		return fmt.Errorf("opening Squid's directory: %w", err)
	}
	defer func() { _ = root.Close() }()
	give := func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, uid, -1)
	}
	if err := fs.WalkDir(root.FS(), ".", give); err != nil {
		return fmt.Errorf("giving Squid's user its files: %w", err)
	}
	return nil
}
