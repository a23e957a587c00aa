//go:build !linux

// Package memorylimit tells Go's runtime how much memory there is: on Linux only, since
// other systems have no control groups.
package memorylimit

import "log/slog"

// Set does nothing.
func Set(*slog.Logger) {}
