package main

import (
	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/endpoints"
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
			list, err := p.endpointList()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return failed(list.Print(cmd.OutOrStdout(), asJSON))
			}
			answer, err := list.Answer(args[0])
			if err != nil {
				return err
			}
			return failed(answer.Print(cmd.OutOrStdout(), asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// completeHost returns the hosts that have a whole name.
func (p *program) completeHost(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	list, err := p.endpointList()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return list.Hosts(), cobra.ShellCompDirectiveNoFileComp
}

// endpointList returns what a tlslift with the same settings allows.
func (p *program) endpointList() (*endpoints.List, error) {
	cfg, err := p.load()
	if err != nil {
		return nil, err
	}
	return endpoints.New(cfg)
}
