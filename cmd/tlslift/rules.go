package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/endpoints"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/fwrules"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
)

func (p *program) rulesCommand() *cobra.Command {
	var o fwrules.Options
	cmd := &cobra.Command{
		Use:     "rules",
		Short:   "Print the firewall rules for redirect:// and tproxy:// listeners",
		Long:    fwrules.Help,
		Example: fwrules.Example,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.printRules(cmd.OutOrStdout(), o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.IPTables, "iptables", false, "print a shell script with iptables-restore and ip6tables-restore")
	flags.StringSliceVar(&o.Interfaces, "interface", nil,
		"only connections that come in through the interface `NAME`; may be repeated (default all but lo)")
	flags.StringSliceVar(&o.Services, "service", nil, "only these service `AREAS`, comma-separated, for example exchange,common (default all)")
	flags.BoolVar(&o.Local, "local", false, "also for programs on this machine (redirect:// only)")
	flags.StringVar(&o.Table, "table", fwrules.DefaultTable, "`NAME` of the nftables tables, or in upper case of the iptables chains")
	flags.BoolVar(&o.TPROXY, "tproxy", false, "lead to the tproxy:// listener although there is a redirect:// one")
	flags.BoolVar(&o.Routes, "routes", false,
		"print a shell script with the routes that TPROXY needs, instead of the rules; they are the same with --iptables")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("service", p.completeArea)
	return cmd
}

// completeArea completes the name of a service area.
func (p *program) completeArea(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := p.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	allowed, err := endpoints.New(cfg)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return fwrules.Areas(allowed.Policy().Ranges()), cobra.ShellCompDirectiveNoFileComp
}

func (p *program) printRules(w io.Writer, o fwrules.Options) error {
	if err := o.Check(); err != nil {
		return err
	}
	cfg, err := p.load()
	if err != nil {
		return err
	}
	allowed, err := endpoints.New(cfg)
	if err != nil {
		return err // load has found it
	}
	o.EnvFile = p.envFile
	rules, err := fwrules.New(o, fwrules.Input{
		Listeners: cfg.Listen, ClientNets: cfg.ClientNets, Mark: cfg.UpstreamMark.Value,
		Policy: allowed.Policy(), Destinations: cfg.Destinations,
	})
	if err != nil {
		return err
	}
	if err := allowed.Unusable(); err != nil {
		// Rules for other addresses than tlslift's own list has are wrong rules.
		return failed(fmt.Errorf("the list that tlslift has saved in %sSTATE_DIR cannot be used: %w; run this as a user who may read it",
			settings.Prefix, err))
	}
	text, err := rules.Text()
	if err != nil {
		return failed(err)
	}
	_, err = io.WriteString(w, text)
	return failed(err)
}
