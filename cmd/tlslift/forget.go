package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/netname"
)

// completionTimeout is how long a person waits for names to choose from.
const completionTimeout = 2 * time.Second

func forgetCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "forget NAME",
		Short: "Remove a client of a running tlslift from its list",
		Long: `Removes a client, by its name or address in "tlslift clients", from the list of
the tlslift that listens on TLSLIFT_ADMIN_LISTEN, from its saved state and from its
metrics: one that no longer exists. A client that connects again is new.`,
		Example:           `  tlslift clients forget scanner-2nd-floor`,
		Args:              oneClient,
		ValidArgsFunction: completeClient(p),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			var answer statuspage.Forgotten
			if err := adminclient.New(cfg).AskJSON(cmd.Context(), forgetting(args[0]), &answer); err != nil {
				return failed(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "forgot %s\n", netname.Text(answer.Forgotten, maxCell))
			return failed(err)
		},
	}
}

func oneClient(_ *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("name one client, for example tlslift clients forget scanner-2nd-floor")
	}
	return nil
}

// forgetting asks to forget a client.
func forgetting(name string) adminclient.Question {
	return adminclient.Question{Method: http.MethodDelete, Path: statuspage.ClientsPath + url.PathEscape(name)}
}

// completeClient completes the name of a client; without a tlslift to ask, nothing.
func completeClient(p *program) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		cfg, err := p.load()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		var answer statuspage.Clients
		_ = adminclient.New(cfg).AskJSON(ctx, clientsOptions{}.question(), &answer) // after an error it has no clients
		for i := range answer.Clients {
			names = append(names, netname.Text(answer.Clients[i].Client.Client, maxSentence))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
