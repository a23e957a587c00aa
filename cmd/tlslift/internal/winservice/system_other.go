//go:build !windows

package winservice

import "github.com/tlslift/tlslift/cmd/tlslift/internal/logging"

// ThisSystem has no Windows services.
func ThisSystem() (System, error) { return nil, ErrUnsupported }

// IsService reports whether the service manager of Windows has started this process.
func IsService() bool { return false }

// Run fails here.
func Run(Place, func(Control, *logging.Writer) error, func(error) int) error { return ErrUnsupported }

// ThisPlace fails here.
func ThisPlace() (Place, error) { return Place{}, ErrUnsupported }

// IsTrusted reports whether the directory of the service belongs to it or to administrators.
func (p Place) IsTrusted() bool { return false }
