// Package ownca does what `tlslift ca` does: it shows the CA, writes its certificate in the
// forms that devices take, replaces it by another one step by step, and takes in that of a
// company.
//
// It never writes a key to anywhere but the directory of the CA, and shows none.
package ownca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/endpoints"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/stateowner"
	"github.com/tlslift/tlslift/proxy/localca"
)

// A Home is where the CA of some settings is, and what it has to sign for.
type Home struct {
	cfg     *settings.Config
	options localca.Options
	now     time.Time
}

// New returns where the CA of cfg is. The CA need not be there.
func New(cfg *settings.Config) (*Home, error) {
	allowed, err := endpoints.New(cfg)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Join(cfg.StateDir, "ca"))
	if err != nil {
		return nil, err
	}
	return &Home{cfg: cfg, now: time.Now(), options: localca.Options{
		Dir: dir, Permitted: cfg.CADomains(allowed.Policy().Policy), CriticalConstraints: bool(cfg.CriticalCA),
		AnyOwner: os.Geteuid() == 0,
		// Before the service can find it: one that it cannot read would keep it from starting.
		Made: func(made string) error { return stateowner.Share(cfg, filepath.Base(made)) },
	}}, nil
}

// current returns the CA.
func (h *Home) current() (*localca.Public, error) {
	ca, err := localca.Read(h.options)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%sSTATE_DIR: there is no CA in %s; the first start of tlslift makes one, or give the settings of the service, "+
			"as with --env-file /etc/tlslift/tlslift.env", settings.Prefix, h.options.Dir)
	}
	return ca, err
}

// next returns the new CA of a rotation; nil if there is none.
func (h *Home) next() (*localca.Public, error) {
	o := h.options
	o.Dir = localca.NewDir(o.Dir)
	ca, err := localca.Read(o)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return ca, err
}

// client asks the tlslift that runs with the same settings.
func (h *Home) client() *adminclient.Client { return adminclient.New(h.cfg) }
