package deviceca

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/netname"
)

// A Health is how long a device CA and what it has issued are good.
type Health struct {
	// Until is when the CA ends.
	Until time.Time
	// Valid is how many certificates are valid.
	Valid int
	// Soon are the devices whose last certificate ends soon.
	Soon []string
}

// Look returns how the device CA of a state directory is; soon is a time from now. It reads no
// key. The error wraps fs.ErrNotExist only if there is no device CA.
func Look(stateDir string, now time.Time, soon time.Duration) (Health, error) {
	dir := Dir(stateDir)
	if _, err := os.Lstat(dir); err != nil {
		return Health{}, err
	}
	ca, err := localca.Read(localca.Options{Dir: dir})
	if errors.Is(err, fs.ErrNotExist) {
		return Health{}, errors.New(dir + " has no ca.pem")
	}
	if err != nil {
		return Health{}, err
	}
	r, err := loadRegister(dir)
	if err != nil {
		return Health{}, err
	}
	h := Health{Until: ca.Certificate().NotAfter}
	last := map[string]time.Time{} // by device
	for n := range r.Issued {
		if i := &r.Issued[n]; i.state(now) == valid {
			h.Valid++
			if i.Until.After(last[i.Name]) {
				last[i.Name] = i.Until
			}
		}
	}
	for name, until := range last {
		if until.Sub(now) < soon {
			h.Soon = append(h.Soon, netname.Text(name, maxLabel))
		}
	}
	slices.Sort(h.Soon)
	return h, nil
}
