package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

// A ruling is what root has found out for a check that goes on as the service, which may not
// read firewall rules.
type ruling struct {
	Rules string `json:"rules"`
	Error string `json:"error"` // why they cannot be read
}

// ForService returns what a check of root passes on to the one that acts as the service:
// the firewall rules, if a listener needs some.
func ForService(ctx context.Context, cfg *settings.Config, m Machine) io.Reader {
	var found ruling
	if isTransparent(cfg) {
		ctx, cancel := context.WithTimeout(ctx, stepTime)
		defer cancel()
		rules, err := m.rules(ctx)
		if found.Rules = rules; err != nil {
			found.Error = err.Error()
		}
	}
	text, _ := json.Marshal(found) // texts can be marshalled
	return bytes.NewReader(text)
}

// FromRoot reads what ForService has passed on, and returns it in the form of Options.Rules.
func FromRoot(in io.Reader) func(context.Context) (string, error) {
	var found ruling
	err := json.NewDecoder(io.LimitReader(in, 2*maxPrograms*maxOutput)).Decode(&found)
	switch {
	case err != nil:
		err = fmt.Errorf("reading what root has found: %w", err)
	case found.Error != "":
		err = errors.New(found.Error)
	}
	return func(context.Context) (string, error) { return found.Rules, err }
}
