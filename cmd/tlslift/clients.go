package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/clientlist"
	"github.com/tlslift/tlslift/metrics/statuspage"
	"github.com/tlslift/tlslift/proxy/netname"
)

// clientsOptions are the flags of the command.
type clientsOptions struct{ json, csv, failing, legacy, silent bool }

func (p *program) clientsCommand() *cobra.Command {
	var o clientsOptions
	cmd := &cobra.Command{
		Use:   "clients",
		Short: "List the clients of a running tlslift",
		Long: `Asks the tlslift that listens on TLSLIFT_ADMIN_LISTEN for its clients, and lists the
failing ones first: what each offers, whether it needs to be lifted, and what its
last problem was. It reads the same settings as serve.`,
		Example: `  tlslift clients --failing
  tlslift clients --csv >clients.csv
  tlslift clients forget 192.168.20.31
  tlslift clients export >new-clients.yaml
  tlslift clients import devices.csv >clients.yaml`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			text, err := adminclient.New(cfg).Ask(cmd.Context(), o.question())
			if err != nil {
				return failed(err)
			}
			return failed(o.print(cmd.OutOrStdout(), text))
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.BoolVar(&o.csv, "csv", false, "print CSV, for a spreadsheet")
	flags.BoolVar(&o.failing, "failing", false, "list only clients whose last connection, within a day, had a problem")
	flags.BoolVar(&o.legacy, "legacy", false, "list only clients that need to be lifted")
	flags.BoolVar(&o.silent, "silent", false, "list only devices that used to deliver mail, and have not for much longer than usual")
	exclusive(cmd, [][2]string{{"json", "csv"}, {"failing", "legacy"}, {"failing", "silent"}, {"legacy", "silent"}})
	cmd.AddCommand(forgetCommand(p), exportCommand(p), importCommand(p))
	return cmd
}

// exclusive makes cmd refuse both flags of a pair. cobra, which leaves the second
// one out of completion, would refuse them later and in words that are hard to
// understand.
func exclusive(cmd *cobra.Command, pairs [][2]string) {
	for _, pair := range pairs {
		cmd.MarkFlagsMutuallyExclusive(pair[0], pair[1])
	}
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		for _, pair := range pairs {
			if cmd.Flags().Changed(pair[0]) && cmd.Flags().Changed(pair[1]) {
				return fmt.Errorf("--%s and --%s cannot be used together", pair[0], pair[1])
			}
		}
		return nil
	}
}

// question returns what to ask the running tlslift.
func (o clientsOptions) question() adminclient.Question {
	q := adminclient.Question{Path: "/api/v1/clients", Query: url.Values{}}
	switch {
	case o.failing:
		q.Query.Set("filter", "failing")
	case o.legacy:
		q.Query.Set("filter", "legacy")
	case o.silent:
		q.Query.Set("filter", "silent")
	}
	if o.csv {
		q.Path += ".csv"
	}
	return q
}

func (o clientsOptions) print(w io.Writer, text []byte) error {
	switch {
	case o.csv:
		_, err := io.WriteString(w, netname.Lines(string(text)))
		return err
	case o.json:
		var b bytes.Buffer
		if err := json.Indent(&b, text, "", "  "); err != nil {
			return fmt.Errorf("reading the answer: %w; is it a tlslift of the same version?", err)
		}
		_, err := io.WriteString(w, netname.Lines(b.String()))
		return err
	}
	var answer statuspage.Clients
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("reading the answer: %w; is it a tlslift of the same version?", err)
	}
	return clientlist.Print(w, answer.Clients, time.Now())
}

const (
	// maxCell keeps one client from making a line wide for all.
	maxCell = 40
	// maxSentence is above all causes and remedies.
	maxSentence = 600
)
