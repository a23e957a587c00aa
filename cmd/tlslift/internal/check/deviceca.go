package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/deviceca"
	"github.com/tlslift/tlslift/proxy/localca"
)

// deviceCA looks at the CA of the certificates of devices, if there is one.
func (c *checker) deviceCA(context.Context) []Result {
	dir := deviceca.Dir(c.cfg.StateDir)
	r := Result{Check: DeviceCA, Subject: dir, Status: Warning}
	now := c.Machine.Now()
	health, err := deviceca.Look(c.cfg.StateDir, now, caSoon)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = localca.Check(dir)
	}
	if err != nil {
		r.Says, r.Remedy = parted(err.Error(), "restore the directory from a backup: until then nothing can be issued or revoked")
		r.Remedy += c.forRoot(err)
		return []Result{r}
	}
	if left := health.Until.Sub(now); left < caSoon {
		r.Says = fmt.Sprintf("the device CA is valid for %s more, and what it has issued ends with it", days(left))
		r.Remedy = "move the directory away, and issue new certificates: tlslift ca issue makes a new device CA"
		return []Result{r}
	}
	if len(health.Soon) > 0 {
		r.Says = "the certificates of " + listed(health.Soon) + " expire soon"
		r.Remedy = "issue new ones, and import them on the devices: tlslift ca issued has the dates"
		return []Result{r}
	}
	r.Status = OK
	r.Says = fmt.Sprintf("valid until %s, with %s", health.Until.Local().Format(time.DateOnly), counted(health.Valid, "valid certificate"))
	return []Result{r}
}
