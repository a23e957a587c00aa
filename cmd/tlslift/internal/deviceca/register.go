package deviceca

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/stateowner"
	"github.com/tlslift/tlslift/proxy/atomicfile"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

const (
	registerName = "issued.json"
	// maxRegister bounds the file, and maxIssued what is in it.
	maxRegister = 8 << 20
	maxIssued   = 10000
	// keepExpired is how long what has expired is listed.
	keepExpired = 365 * 24 * time.Hour
)

// An Issued is a certificate that was issued.
type Issued struct {
	Serial string       `json:"serial"` // in hexadecimal digits
	Name   string       `json:"name"`
	DNS    []string     `json:"dns,omitempty"`
	IP     []netip.Addr `json:"ip,omitempty"`
	Key    string       `json:"key"`
	From   time.Time    `json:"from"`
	Until  time.Time    `json:"until"`
	// Revoked is when it was revoked; zero if it was not.
	Revoked time.Time `json:"revoked,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

// number returns the serial number.
func (i *Issued) number() *big.Int {
	n, _ := new(big.Int).SetString(i.Serial, 16) // parseRegister has looked
	return n
}

// A register is what a device CA has issued, the oldest first.
type register struct {
	Issued []Issued `json:"issued"`
}

// parseRegister reads the file.
func parseRegister(text []byte) (register, error) {
	var r register
	if err := json.Unmarshal(text, &r); err != nil {
		return register{}, errors.New("is broken; restore it from a backup")
	}
	if len(r.Issued) > maxIssued {
		return register{}, fmt.Errorf("has more than %d certificates", maxIssued)
	}
	for _, i := range r.Issued {
		if !serialForm.MatchString(i.Serial) || reasonCode(i.Reason) < 0 || i.Until.IsZero() {
			return register{}, errors.New("has a certificate with a serial number, a reason or a date that cannot be read; restore it from a backup")
		}
	}
	return r, nil
}

// loadRegister reads that of a directory.
func loadRegister(dir string) (register, error) {
	path := filepath.Join(dir, registerName)
	text, err := secretfile.ReadState(path, maxRegister)
	if errors.Is(err, fs.ErrNotExist) {
		return register{}, fmt.Errorf("%s is missing, and without it nobody knows what was revoked; restore it from a backup", path)
	}
	if err != nil {
		return register{}, err
	}
	r, err := parseRegister(text)
	if err != nil {
		return register{}, fmt.Errorf("%s %w", path, err)
	}
	return r, nil
}

func (r register) text() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	if len(text) > maxRegister || len(r.Issued) > maxIssued {
		return nil, fmt.Errorf("the register of the device CA is full: it takes %d certificates", maxIssued)
	}
	return append(text, '\n'), nil
}

// createRegister makes an empty one in a new directory.
func createRegister(dir string) error {
	in, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // the file was synced
	text, err := register{Issued: []Issued{}}.text()
	if err != nil {
		return err
	}
	return atomicfile.CreateIn(in, registerName, text, 0o600)
}

// change changes the register; no other command does so at the same time. With an error,
// nothing has changed.
func (h *Home) change(edit func(*register) error) error {
	// Whose directory it is may put a link into its place, also for root.
	state, err := os.OpenRoot(h.cfg.StateDir)
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	in, err := state.OpenRoot(dirName)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	unlock, err := lock(in)
	if err != nil {
		return fmt.Errorf("%s: %w", h.options.Dir, err)
	}
	defer unlock()
	r, err := loadRegister(h.options.Dir)
	if err != nil {
		return err
	}
	if err := edit(&r); err != nil {
		return err
	}
	gone := h.now().Add(-keepExpired)
	r.Issued = slices.DeleteFunc(r.Issued, func(i Issued) bool { return i.Until.Before(gone) })
	text, err := r.text()
	if err != nil {
		return err
	}
	return h.replace(in, text)
}

// replace gives the register its new content. It belongs to the owner of the directory before
// the service can see it.
func (h *Home) replace(in *os.Root, text []byte) error {
	const made = "." + registerName + ".new"
	if err := in.Remove(made); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a crash
		return err
	}
	err := atomicfile.CreateIn(in, made, text, 0o600)
	if err == nil {
		err = stateowner.Share(h.cfg, dirName)
	}
	if err == nil {
		err = in.Rename(made, registerName)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", filepath.Join(h.options.Dir, registerName), err), in.Remove(made))
	}
	return atomicfile.SyncDir(h.options.Dir)
}

// find returns the certificate with a serial number, or those of a device that are valid and
// not revoked.
func (r *register) find(asked string, now time.Time) []*Issued {
	var found []*Issued
	serial := strings.ReplaceAll(asked, ":", "")
	for i := range r.Issued {
		one := &r.Issued[i]
		switch {
		case strings.EqualFold(one.Serial, serial):
			return []*Issued{one}
		case one.Name == asked && one.Revoked.IsZero() && now.Before(one.Until):
			found = append(found, one)
		}
	}
	return found
}
