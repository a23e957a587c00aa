package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/configcheck"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/endpoints"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/openfiles"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/warnings"
)

// anyUser means that the service may run as another user than the check.
const anyUser = -1

// configuration reads the settings and the files that they name. It reports whether the
// other checks can be made.
func (c *checker) configuration() (found []Result, usable bool) {
	cfg, err := c.Load()
	wrong := func(err error, remedy string) {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			r := Result{Check: Configuration, Status: Failed}
			r.Says, r.Remedy = parted(line, remedy)
			r.Remedy += c.forRoot(err)
			found = append(found, r)
		}
	}
	if err != nil {
		wrong(err, "correct it; tlslift config prints the settings, and where each comes from")
		return found, false
	}
	c.cfg = cfg
	if err := configcheck.Files(cfg); err != nil {
		wrong(err, "correct it, and reload: systemctl reload tlslift")
	}
	if c.list, err = endpoints.New(cfg); err != nil {
		wrong(err, "correct "+settings.Prefix+"DESTINATIONS")
		return found, false
	}
	if len(found) == 0 {
		found = append(found, Result{Check: Configuration, Status: OK, Says: "the settings and the files that they name are good"})
	}
	for _, w := range warnings.Of(cfg, anyUser) {
		found = append(found, Result{Check: Configuration, Status: Warning, Says: clean(w.Text), Remedy: w.Remedy})
	}
	c.targets = targetsOf(cfg, c.list.Policy())
	return found, true
}

// forRoot adds what to do if the user that runs the check may not read what the service may.
func (c *checker) forRoot(err error) string {
	if errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "permission denied") {
		return c.withSudo("; if the service can read the file, run sudo tlslift check", "; let the user of the service read it")
	}
	return ""
}

// withSudo returns a remedy that runs the check by sudo; the other one if root runs it already.
func (c *checker) withSudo(remedy, ofRoot string) string {
	if c.ByRoot {
		return ofRoot
	}
	return remedy
}

// openFiles compares the limit of open files with the connections that are wanted.
func (c *checker) openFiles(ctx context.Context) []Result {
	r := Result{Check: OpenFiles, Status: OK}
	want := int(c.cfg.MaxConns)
	if n := c.running.connections; n > 0 {
		r.Says = fmt.Sprintf("the tlslift that runs permits %d connections", n)
		if n < want {
			r.Status, r.Remedy = Warning, openfiles.Remedy
			r.Says += fmt.Sprintf(", and not %d, since its limit of open files is %d", want, c.running.files)
		}
		return []Result{r}
	}
	files, limited := c.Machine.OpenFiles()
	whose := "this shell"
	if ofUnit, has := c.unitFiles(ctx); has {
		files, limited, whose = ofUnit, true, "the systemd unit"
	}
	if !limited {
		r.Says = "there is no limit"
		return []Result{r}
	}
	room := openfiles.FitInto(files, want, len(c.cfg.TrustedProxies) > 0)
	r.Says = fmt.Sprintf("%d connections fit into the limit of %d files, which is that of %s", room.Connections, files, whose)
	if room.Connections < want {
		r.Status, r.Remedy = Warning, openfiles.Remedy
		r.Says += fmt.Sprintf("; for the %d of %sMAX_CONNECTIONS it has to be %d", want, settings.Prefix, room.Needed())
	}
	return []Result{r}
}

// unitFiles returns how many files the systemd unit lets the service open; false if there is
// no such unit, or no limit in it.
func (c *checker) unitFiles(ctx context.Context) (files uint64, known bool) {
	value := c.unit(ctx, "LimitNOFILE")
	files, err := strconv.ParseUint(value, 10, 64)
	return files, err == nil
}

// unit returns a property of the systemd unit; empty if there is no such unit.
func (c *checker) unit(ctx context.Context, property string) string {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	text, err := c.Machine.Output(ctx, "systemctl", "show", "--property=LoadState", "--property="+property, "tlslift.service")
	if err != nil || !strings.Contains(string(text), "LoadState=loaded\n") {
		return ""
	}
	_, rest, _ := strings.Cut("\n"+string(text), "\n"+property+"=")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

const (
	// oldBuiltIn is the age from which on a list that nobody refreshes is old.
	oldBuiltIn = 180 * 24 * time.Hour
	// oldChecked is the time after which a list that is asked for each hour is old.
	oldChecked = 3 * 24 * time.Hour
)

// endpoints looks how old the list is.
func (c *checker) endpoints(context.Context) []Result {
	list := c.list.Policy().List()
	r := Result{Check: Endpoints, Status: OK, Says: fmt.Sprintf("Microsoft 365 (%s): %s", list.Instance(), list)}
	checked, now := c.list.Checked(), c.Machine.Now()
	switch published := list.Published(); {
	case c.list.Unusable() != nil:
		r.Status, r.Says = Failed, clean("the saved list cannot be used: "+c.list.Unusable().Error())
		r.Remedy = "let tlslift's user read it, or remove it: tlslift asks for the list again"
	case bool(c.cfg.Refresh) && checked.IsZero():
		r.Status, r.Says = Warning, r.Says+"; the web service was never asked for a newer one"
		r.Remedy = "start tlslift, and let it reach endpoints.office.com:443"
	case bool(c.cfg.Refresh) && now.Sub(checked) > oldChecked:
		r.Status, r.Says = Warning, r.Says+", checked on "+checked.Local().Format(time.DateOnly)+" for the last time"
		r.Remedy = "let tlslift reach endpoints.office.com:443; its log has why it could not"
	case bool(c.cfg.Refresh):
		r.Says += ", checked on " + checked.Local().Format(time.DateTime)
	case !published.IsZero() && now.Sub(published) > oldBuiltIn:
		r.Status, r.Says = Warning, fmt.Sprintf("%s: %s", r.Says, days(now.Sub(published))+" old")
		r.Remedy = "set " + settings.Prefix + "M365_REFRESH=true, or update tlslift"
	}
	return []Result{r}
}

// days says how long something is.
func days(d time.Duration) string { return counted(int(d/(24*time.Hour)), "day") }
