package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// checkDashboard reads the dashboard by the types of Grafana's own SDK.
func checkDashboard(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	plugins.RegisterDefaultPlugins()
	var d dashboard.Dashboard
	if err := actual(d.UnmarshalJSONStrict(text)); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if err := actual(d.Validate()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// actual returns nil for the SDK's empty list of errors, which is no nil error.
func actual(err error) error {
	if list := (cog.BuildErrors)(nil); errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return err
}
