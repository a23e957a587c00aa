//go:build !linux

package serviceuser

import (
	"context"
	"syscall"
)

// self is not run again here.
const self = ""

// rightsFor returns false: packages with a service that has a user of its own are for Linux.
func rightsFor(context.Context, string) (*syscall.SysProcAttr, bool) { return nil, false }
