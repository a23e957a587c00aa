package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/endpoints"
)

func (p *program) endpointsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "endpoints [HOST[:PORT] | ADDRESS:PORT]",
		Short:   "List the hosts that clients may reach, or check one",
		Long:    endpoints.Help,
		Example: endpoints.Example,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errors.New("name one host or address, for example tlslift endpoints smtp.office365.com:587")
			}
			return nil
		},
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
