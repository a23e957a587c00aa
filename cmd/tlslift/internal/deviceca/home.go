// Package deviceca gives devices certificates of their own, for servers that ask for one and
// for a device's own web page, takes them back, and keeps the register of both.
//
// Its CA is another one than that of lifted clients, with a key of its own: tlslift trusts it
// nowhere, and it may sign for no name of Microsoft and of no allowed destination. The key is
// read when something is signed and never kept, shown or exported.
package deviceca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/endpoints"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/stateowner"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/policy"
)

// dirName is the directory of the device CA in the state directory.
const dirName = "device-ca"

// Dir returns where the device CA of a state directory is.
func Dir(stateDir string) string { return filepath.Join(stateDir, dirName) }

// A Home is where the device CA of some settings is, and what it may not sign for.
type Home struct {
	cfg     *settings.Config
	options localca.Options
	allowed *policy.Policy
	now     func() time.Time
}

// New returns where the device CA of cfg is. The CA need not be there.
func New(cfg *settings.Config) (*Home, error) {
	allowed, err := endpoints.New(cfg)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(Dir(cfg.StateDir))
	if err != nil {
		return nil, err
	}
	h := &Home{cfg: cfg, allowed: allowed.Policy().Policy, now: time.Now}
	excluded, err := h.excluded()
	if err != nil {
		return nil, err
	}
	h.options = localca.Options{
		Dir: dir, Excluded: excluded, CriticalConstraints: bool(cfg.CriticalCA), AnyOwner: os.Geteuid() == 0,
		// Before the service can find it: the register is there from the beginning, so that
		// one that is missing later was lost.
		Made: func(made string) error {
			if err := createRegister(made); err != nil {
				return err
			}
			return stateowner.Share(cfg, filepath.Base(made))
		},
	}
	return h, nil
}

// Public returns the device CA without its key.
func (h *Home) Public() (*localca.Public, error) {
	ca, err := localca.Read(h.options)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%sSTATE_DIR: there is no device CA in %s; the first tlslift ca issue makes one, or give the settings of the "+
			"service, as with --env-file /etc/tlslift/tlslift.env", settings.Prefix, h.options.Dir)
	}
	return ca, err
}

// listURL returns where the revocation list of a CA is for those who check; nothing if no
// certificate names one.
func (h *Home) listURL(ca *localca.Public) string {
	if h.cfg.ListURL() == "" {
		return ""
	}
	return h.cfg.ListURL() + "/" + ca.ID() + ".crl"
}
