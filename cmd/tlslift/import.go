package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/clientcsv"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// importCommand needs no settings and no running tlslift.
func importCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Make a clients file from a table of devices",
		Long: `Reads a table of devices as CSV, as a spreadsheet or an inventory writes it, and prints
a clients file for TLSLIFT_CLIENTS_FILE. FILE may be - for standard input. The cells are
separated by commas, semicolons or tabs. The first line has the names of the columns:

  ` + strings.Join(clientcsv.Columns(), ", ") + `

Each line after it is a device, with a name of its own, and an address, a network or a
host (its name in reverse DNS). Several addresses stand in one cell with spaces between
them. Devices of a group stand together. The other columns have the values of the clients
file.

With a mistake it prints nothing but the mistakes, each with the line of the table.`,
		Example: `  tlslift clients import devices.csv >clients.yaml
  printf 'name,address\ncopier,192.168.20.31\n' | tlslift clients import -`,
		Args: oneTable,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readTable(p.stdin, args[0])
			if err != nil {
				return failed(err)
			}
			clients, err := clientcsv.Convert(bytes.NewReader(text))
			if err != nil {
				return fmt.Errorf("%s: %s", args[0], strings.ReplaceAll(err.Error(), "\n", "\n"+args[0]+": "))
			}
			_, err = cmd.OutOrStdout().Write(clients)
			return failed(err)
		},
	}
}

// oneTable wants the name of a file.
func oneTable(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one CSV file, or - for standard input, for example tlslift clients import devices.csv")
	}
	return nil
}

// readTable reads a table, and a byte more than it may have.
func readTable(stdin io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(stdin, clientcsv.MaxFile+1))
	}
	text, err := secretfile.Read(path, clientcsv.MaxFile+1)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, settings.SystemError(err))
	}
	return text, nil
}
