// Package endpoints answers the command `tlslift endpoints`: which hosts a tlslift
// with the same settings allows. It opens no connection and changes no file.
package endpoints

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/printing"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/statefile"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
)

// A List is what a tlslift with the same settings allows.
type List struct {
	policy  *m365.Policy
	refresh bool
	checked time.Time // zero if the web service was not asked
	// unusable is why a saved list does not count; nil if it does.
	unusable error
}

// New returns what c allows, with the list that a tlslift with M365_REFRESH has saved.
func New(c *settings.Config) (*List, error) {
	l := &List{refresh: bool(c.Refresh)}
	var err error
	if l.policy, err = m365.New(c.Instance, c.Destinations); err != nil {
		return nil, err
	}
	if l.refresh {
		l.unusable = l.useSaved(c)
	}
	return l, nil
}

// Policy returns what is allowed.
func (l *List) Policy() *m365.Policy { return l.policy }

// Unusable returns why the saved list cannot be used; nil if there is none or it is used.
func (l *List) Unusable() error { return l.unusable }

// Checked returns when the list was last known to be the newest one; zero if the web service
// was never asked.
func (l *List) Checked() time.Time { return l.checked }

// Hosts returns the hosts that have a whole name, in order, for completion.
func (l *List) Hosts() []string {
	var hosts []string
	for _, port := range []uint16{443, 587} {
		hosts = append(hosts, l.policy.Names(port)...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// useSaved does what serve does at its start with the list that was saved.
func (l *List) useSaved(cfg *settings.Config) error {
	saved, err := m365.ReadSaved(statefile.Endpoints(cfg), cfg.Instance)
	if err != nil || saved.Version == "" {
		l.checked = saved.Current
		return err
	}
	if saved.Version < m365.VersionOf(l.policy.List().Published()) {
		return nil // tlslift is newer
	}
	list, err := m365.ParseList(cfg.Instance, saved.Version, saved.List)
	if err != nil {
		return err
	}
	allowed, err := m365.NewFrom(list, cfg.Destinations)
	if err != nil {
		return err
	}
	l.policy, l.checked = allowed, saved.Current
	return nil
}

// A table is everything that is allowed, in JSON.
type table struct {
	Instance  string     `json:"instance"`
	List      string     `json:"list"`
	Version   string     `json:"version,omitempty"`  // of the web service
	Checked   time.Time  `json:"checked,omitzero"`   // when it was last known to be the newest
	Unusable  string     `json:"unusable,omitempty"` // why the saved list does not count
	Endpoints []endpoint `json:"endpoints"`
}

// An endpoint is an endpoint in JSON.
type endpoint struct {
	Pattern       string `json:"pattern"`
	Ports         string `json:"ports"`
	Source        string `json:"source"`
	AddressRanges int    `json:"address_ranges"`
}

// shown returns endpoints as they are shown.
func (l *List) shown(all []policy.Endpoint) []endpoint {
	ranges := make(map[string]int)
	for _, r := range l.policy.Ranges() {
		ranges[r.Source] = len(r.Prefixes)
	}
	shown := make([]endpoint, len(all))
	for i, e := range all {
		shown[i] = endpoint{e.Pattern(), e.Ports(), e.Source(), ranges[e.Source()]}
	}
	return shown
}

// Print writes everything that is allowed.
func (l *List) Print(w io.Writer, asJSON bool) error {
	all := l.shown(l.policy.Endpoints())
	if asJSON {
		list := l.policy.List()
		shown := table{
			Instance: list.Instance().String(), List: list.String(), Version: list.Version(),
			Checked: l.checked, Endpoints: all,
		}
		if l.unusable != nil {
			shown.Unusable = l.unusable.Error()
		}
		return printing.JSON(w, shown)
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", l.heading()); err != nil {
		return err
	}
	return printTable(w, all)
}

// heading returns which list is in force.
func (l *List) heading() string {
	list := l.policy.List()
	text := fmt.Sprintf("Microsoft 365 (%s): %s", list.Instance(), list)
	switch {
	case l.unusable != nil:
		return text + fmt.Sprintf("\nThe saved list cannot be used: %v", l.unusable)
	case !l.checked.IsZero():
		return text + ", checked " + l.checked.UTC().Format("2006-01-02 15:04 MST")
	case !l.refresh:
		return text + "; " + settings.Prefix + "M365_REFRESH is off, so tlslift does not ask for a newer one"
	}
	return text + ", not checked yet"
}

func printTable(w io.Writer, all []endpoint) error {
	writer := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(writer, "PATTERN\tPORTS\tSOURCE\tADDRESS RANGES")
	for _, e := range all {
		fmt.Fprintf(writer, "%s\t%s\t%s\t%d\n", e.Pattern, e.Ports, e.Source, e.AddressRanges)
	}
	return writer.Flush()
}
