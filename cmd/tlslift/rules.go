package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
)

// rulesOptions are the flags of the command.
type rulesOptions struct {
	iptables   bool
	tproxy     bool     // although there is a redirect:// listener
	routes     bool     // the routes that TPROXY needs, instead of the rules
	local      bool     // also for programs on this machine
	interfaces []string // none: all but loopback
	services   []string // none: all
	table      string
}

const rulesHelp = `Prints the firewall rules that bring connections to Microsoft 365 to the
redirect:// or tproxy:// listener of TLSLIFT_LISTEN: for the networks of
TLSLIFT_CLIENT_NETS, and to the published addresses of TLSLIFT_M365_INSTANCE. It
reads the same settings as serve, prints, and changes nothing.

The output is a script for nft that replaces what an earlier one has loaded, or
with --iptables one for sh. Its comments say what each part is for, how to keep
it over reboots and how to remove it. It works from nftables 0.9.3 and Linux
4.19 on. Print and load it again when a setting or Microsoft's list has changed.

With both kinds of listeners the rules lead to the redirect:// one, unless
--tproxy is given. TPROXY also needs routes: --routes prints them. For each of
IPv4 and IPv6 the first listener that takes it counts.`

const rulesExamples = `  TLSLIFT_LISTEN=redirect://:3129 tlslift rules
  tlslift rules --env-file /etc/tlslift/tlslift.env --interface eth1 | nft -f -
  tlslift rules --service exchange --iptables | sh
  TLSLIFT_LISTEN=tproxy://:3130 tlslift rules --routes | sh`

func (p *program) rulesCommand() *cobra.Command {
	var o rulesOptions
	cmd := &cobra.Command{
		Use:     "rules",
		Short:   "Print the firewall rules for redirect:// and tproxy:// listeners",
		Long:    rulesHelp,
		Example: rulesExamples,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.printRules(cmd.OutOrStdout(), o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.iptables, "iptables", false, "print a shell script with iptables-restore and ip6tables-restore")
	flags.StringSliceVar(&o.interfaces, "interface", nil, "only what comes in through this `NAME`; may be repeated (default all but lo)")
	flags.StringSliceVar(&o.services, "service", nil, "only these service `AREAS`, comma-separated, as in exchange,common (default all)")
	flags.BoolVar(&o.local, "local", false, "also for programs on this machine itself (redirect:// only)")
	flags.StringVar(&o.table, "table", "tlslift", "`NAME` of the nftables tables, or in upper case of the iptables chains")
	flags.BoolVar(&o.tproxy, "tproxy", false, "lead to the tproxy:// listener although there is a redirect:// one")
	flags.BoolVar(&o.routes, "routes", false, "print a shell script with the routes that TPROXY needs, instead of the rules; they are the same with --iptables")
	return cmd
}

func (p *program) printRules(w io.Writer, o rulesOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	cfg, err := p.load()
	if err != nil {
		return err
	}
	r, err := newRuleset(cfg, o)
	if err != nil {
		return err
	}
	r.Command = o.command(p.envFile)
	text, err := r.text(o.form())
	if err != nil {
		return failed(err)
	}
	_, err = io.WriteString(w, text)
	return failed(err)
}

// What is printed into a script must mean nothing else there.
var (
	tableName     = regexp.MustCompile(`^[a-z][a-z0-9_]{0,15}$`)
	interfaceName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,14}$`)
)

func (o rulesOptions) check() error {
	if !tableName.MatchString(o.table) {
		return fmt.Errorf("--table: %q is not up to 16 of a-z, 0-9 and _, beginning with a letter", o.table)
	}
	for _, name := range o.interfaces {
		if !interfaceName.MatchString(name) {
			return fmt.Errorf("--interface: %q is not the name of a network interface, as ip link shows it", name)
		}
	}
	return nil
}

// The forms of the output, which are also the names of their templates.
const (
	formNFT      = "nft"
	formIPTables = "iptables"
	formRoutes   = "routes"
)

func (o rulesOptions) form() string {
	switch {
	case o.routes:
		return formRoutes
	case o.iptables:
		return formIPTables
	}
	return formNFT
}

// command is what prints the same again.
func (o rulesOptions) command(envFile string) string {
	words := []string{"tlslift rules"}
	if envFile != "" {
		words = append(words, "--env-file "+shellWord(envFile))
	}
	for _, flag := range []struct {
		given bool
		name  string
	}{{o.iptables, "--iptables"}, {o.tproxy, "--tproxy"}, {o.local, "--local"}} {
		if flag.given {
			words = append(words, flag.name)
		}
	}
	for _, name := range o.interfaces {
		words = append(words, "--interface "+name)
	}
	if len(o.services) > 0 {
		words = append(words, "--service "+strings.Join(o.services, ","))
	}
	if o.table != "tlslift" {
		words = append(words, "--table "+o.table)
	}
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

// shellWord is a path as it is written in a shell's command, on one line.
func shellWord(path string) string {
	if plainWord.MatchString(path) {
		return path
	}
	path = strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, path)
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// kind is which of the two kinds of listeners the rules lead to.
func (o rulesOptions) kind(listeners []listener.URL) (listener.Scheme, error) {
	has := func(s listener.Scheme) bool {
		return slices.ContainsFunc(listeners, func(l listener.URL) bool { return l.Scheme == s })
	}
	switch {
	case o.tproxy && !has(listener.SchemeTPROXY):
		return "", fmt.Errorf("--tproxy: %sLISTEN has no tproxy:// listener; add one, as in tproxy://:3130", settings.Prefix)
	case has(listener.SchemeRedirect) && !o.tproxy && o.routes:
		return "", errors.New("--routes: a redirect:// listener needs no routes; add --tproxy for those of the tproxy:// one, if there is one")
	case has(listener.SchemeRedirect) && !o.tproxy:
		return listener.SchemeRedirect, nil
	case has(listener.SchemeTPROXY) && o.local:
		return "", errors.New("--local: TPROXY does not see connections of this machine's own programs; use a redirect:// listener for them")
	case has(listener.SchemeTPROXY):
		return listener.SchemeTPROXY, nil
	}
	return "", fmt.Errorf("%[1]sLISTEN has no listener that a firewall could lead to; add one, as in %[1]sLISTEN=redirect://:3129, or tproxy://:3130 for TPROXY", settings.Prefix)
}
