// Package configcheck reads everything that the settings name, as a start or a reload
// does, and tells of all mistakes.
//
// It writes nothing, opens no listener and asks nobody.
package configcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/egress"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/mailboxes"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/ticketkeys"
)

// Run returns what is wrong with the settings and with the files that they name: a line
// for each mistake, or nil. Load reads the settings.
func Run(load func() (*settings.Config, error)) error {
	cfg, err := load()
	all := &findings{}
	all.add(err)
	all.add(Files(cfg))
	if cfg != nil && cfg.StateDir != "" {
		if err := localca.Check(filepath.Join(cfg.StateDir, "ca")); err != nil {
			all.add(fmt.Errorf("%sSTATE_DIR: %w", settings.Prefix, err))
		}
	}
	return all.err()
}

// Files is Run for the files that settings name, without those of the CA.
func Files(cfg *settings.Config) error {
	if cfg == nil {
		return nil
	}
	all := &findings{}
	signIn(cfg, all)
	_, err := egress.Config(cfg, slog.New(slog.DiscardHandler))
	all.add(err)
	if cfg.TicketKeysFile != "" {
		if err := ticketkeys.Check(cfg.TicketKeysFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all.add(fmt.Errorf("%sTICKET_KEYS_FILE: %w", settings.Prefix, err))
		}
	}
	return all.err()
}

// signIn checks the clients file, the sign-in file and the credential that it names.
func signIn(cfg *settings.Config, all *findings) {
	clients, err := cfg.ClientTable()
	if err != nil {
		all.add(err)
		return
	}
	file, err := cfg.SignIn(clients)
	if err != nil || file == nil {
		all.add(err)
		return
	}
	service, err := mailboxes.New(cfg, file, http.DefaultClient, nil) // it asks nobody yet
	if err != nil {
		all.add(err)
		return
	}
	_ = service.Close(context.Background()) // nothing is under way
}

// findings are mistakes, each of them once.
type findings []string

// add adds the lines of an error.
func (f *findings) add(err error) {
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !slices.Contains(*f, line) {
			*f = append(*f, line)
		}
	}
}

// err returns all; nil if there are none.
func (f *findings) err() error {
	if len(*f) == 0 {
		return nil
	}
	return errors.New(strings.Join(*f, "\n"))
}
