package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/coredumps"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/password"
	"github.com/tlslift/tlslift/proxy/signin"
)

func passwordCommand(stdin, stderr *os.File) *cobra.Command {
	argon := false
	cmd := &cobra.Command{
		Use:     "password",
		Short:   "Make the hash of a password for the sign-in file",
		Long:    password.Help,
		Example: password.Example,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			coredumps.Disable()
			word, err := password.Read(stdin, stderr)
			if err != nil {
				return failed(err)
			}
			kind := signin.Bcrypt
			if argon {
				kind = signin.Argon2id
			}
			hash, hints, err := password.Hash(word, kind)
			if err != nil {
				return err
			}
			for _, hint := range hints {
				fmt.Fprintln(stderr, "tlslift: note:", hint)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), hash)
			return failed(err)
		},
	}
	cmd.Flags().BoolVar(&argon, "argon2", false, "make a hash of argon2id instead of bcrypt")
	return cmd
}
