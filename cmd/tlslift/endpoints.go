package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
)

const endpointsHelp = `Without an argument, prints every host pattern that clients may reach, with its
ports, its source, and how many address ranges Microsoft publishes for it. With
an argument, prints whether clients may reach it, and by which pattern or what to
do; the exit code is 0 if they may. It reads the same settings as serve, and the
list that a tlslift with TLSLIFT_M365_REFRESH has saved. It opens no connection.

For a host without a port it prints the allowed ports. For an address with a port
it prints which host a client without a server name reaches there.`

const endpointsExamples = `  tlslift endpoints
  tlslift endpoints smtp.office365.com:587
  tlslift endpoints 52.96.1.2:993
  tlslift endpoints --json`

func (p *program) endpointsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "endpoints [HOST[:PORT] | ADDRESS:PORT]",
		Short:             "List the hosts that clients may reach, or check one",
		Long:              endpointsHelp,
		Example:           endpointsExamples,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeHost,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := p.allowlist()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return failed(a.print(cmd.OutOrStdout(), asJSON))
			}
			return a.answer(cmd.OutOrStdout(), args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// completeHost returns the hosts that have a whole name.
func (p *program) completeHost(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	a, err := p.allowlist()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var hosts []string
	for _, port := range []uint16{443, 587} {
		hosts = append(hosts, a.policy.Names(port)...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), cobra.ShellCompDirectiveNoFileComp
}

// An allowlist is what a tlslift with the same settings allows.
type allowlist struct {
	policy  *m365.Policy
	refresh bool
	checked time.Time // zero if the web service was not asked
	// unusable is why a saved list does not count; nil if it does.
	unusable error
}

func (p *program) allowlist() (*allowlist, error) {
	cfg, err := p.load()
	if err != nil {
		return nil, err
	}
	return newAllowlist(cfg)
}

func newAllowlist(c *settings.Config) (*allowlist, error) {
	a := &allowlist{refresh: bool(c.Refresh)}
	var err error
	if a.policy, err = m365.New(c.Instance, c.Destinations); err != nil {
		return nil, err
	}
	if a.refresh {
		a.unusable = a.useSaved(c)
	}
	return a, nil
}

// useSaved does what serve does at its start with the list that was saved.
func (a *allowlist) useSaved(cfg *settings.Config) error {
	saved, err := m365.ReadSaved(listFile(cfg), cfg.Instance)
	if err != nil || saved.Version == "" {
		a.checked = saved.Current
		return err
	}
	if saved.Version < m365.VersionOf(a.policy.List().Published()) {
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
	a.policy, a.checked = allowed, saved.Current
	return nil
}

// A shownList is the list in force, in JSON.
type shownList struct {
	Instance  string          `json:"instance"`
	List      string          `json:"list"`
	Version   string          `json:"version,omitempty"`  // of the web service
	Checked   time.Time       `json:"checked,omitzero"`   // when it was last known to be the newest
	Unusable  string          `json:"unusable,omitempty"` // why the saved list does not count
	Endpoints []shownEndpoint `json:"endpoints"`
}

// A shownEndpoint is an endpoint in JSON.
type shownEndpoint struct {
	Pattern       string `json:"pattern"`
	Ports         string `json:"ports"`
	Source        string `json:"source"`
	AddressRanges int    `json:"address_ranges"`
}

// shown returns endpoints as they are shown.
func (a *allowlist) shown(all []policy.Endpoint) []shownEndpoint {
	ranges := make(map[string]int)
	for _, r := range a.policy.Ranges() {
		ranges[r.Source] = len(r.Prefixes)
	}
	shown := make([]shownEndpoint, len(all))
	for i, e := range all {
		shown[i] = shownEndpoint{e.Pattern(), e.Ports(), e.Source(), ranges[e.Source()]}
	}
	return shown
}

// print writes everything that is allowed.
func (a *allowlist) print(w io.Writer, asJSON bool) error {
	all := a.shown(a.policy.Endpoints())
	if asJSON {
		list := a.policy.List()
		shown := shownList{Instance: list.Instance().String(), List: list.String(), Version: list.Version(), Checked: a.checked, Endpoints: all}
		if a.unusable != nil {
			shown.Unusable = a.unusable.Error()
		}
		return printJSON(w, shown)
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", a.heading()); err != nil {
		return err
	}
	return printEndpoints(w, all)
}

// heading returns which list is in force.
func (a *allowlist) heading() string {
	list := a.policy.List()
	text := fmt.Sprintf("Microsoft 365 (%s): %s", list.Instance(), list)
	switch {
	case a.unusable != nil:
		return text + fmt.Sprintf("\nThe saved list cannot be used: %v", a.unusable)
	case !a.checked.IsZero():
		return text + ", checked " + a.checked.UTC().Format("2006-01-02 15:04 MST")
	case !a.refresh:
		return text + "; " + settings.Prefix + "M365_REFRESH is off, so tlslift does not ask for a newer one"
	}
	return text + ", not checked yet"
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

func printEndpoints(w io.Writer, all []shownEndpoint) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PATTERN\tPORTS\tSOURCE\tADDRESS RANGES")
	for _, e := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\n", e.Pattern, e.Ports, e.Source, e.AddressRanges)
	}
	return table.Flush()
}
