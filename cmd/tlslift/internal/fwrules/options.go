package fwrules

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/netname"
)

// Options choose what the rules are for, and how they are written.
type Options struct {
	IPTables   bool     // a shell script, instead of one for nft
	Routes     bool     // a shell script with the routes that TPROXY needs, instead of the rules
	TPROXY     bool     // for the tproxy:// listener although there is a redirect:// one
	Local      bool     // also for programs on this machine
	Interfaces []string // empty: all but loopback
	Services   []string // service areas; empty: all
	Table      string   // of nftables, or in upper case the begin of the names of iptables chains
	EnvFile    string   // for the command that prints the same again; empty: none
}

// DefaultTable is the usual Table.
const DefaultTable = "tlslift"

// What is printed into a script must have no other meaning there.
var (
	tableName     = regexp.MustCompile(`^[a-z][a-z0-9_]{0,15}$`)
	interfaceName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,14}$`)
)

// Check returns what is wrong with the names in o.
func (o Options) Check() error {
	if !tableName.MatchString(o.Table) {
		return fmt.Errorf("--table: %q is not a name of up to 16 characters of a-z, 0-9 and _ that begins with a letter", o.Table)
	}
	for _, name := range o.Interfaces {
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

func (o Options) form() string {
	switch {
	case o.Routes:
		return formRoutes
	case o.IPTables:
		return formIPTables
	}
	return formNFT
}

// command returns the command line that prints the same again.
func (o Options) command() string {
	words := []string{"tlslift rules"}
	if o.EnvFile != "" {
		words = append(words, "--env-file "+shellWord(o.EnvFile))
	}
	for _, flag := range []struct {
		given bool
		name  string
	}{{o.IPTables, "--iptables"}, {o.TPROXY, "--tproxy"}, {o.Local, "--local"}} {
		if flag.given {
			words = append(words, flag.name)
		}
	}
	for _, name := range o.Interfaces {
		words = append(words, "--interface "+name)
	}
	if len(o.Services) > 0 {
		words = append(words, "--service "+strings.Join(o.Services, ","))
	}
	if o.Table != DefaultTable {
		words = append(words, "--table "+o.Table)
	}
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

// maxPath is PATH_MAX of Linux.
const maxPath = 4096

// shellWord returns a path as it is written in a shell's command, on one line.
func shellWord(path string) string {
	if plainWord.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(netname.Text(path, maxPath), "'", `'\''`) + "'"
}

// kind returns which of the two kinds of listeners the rules lead to.
func (o Options) kind(listeners []listener.URL) (listener.Scheme, error) {
	has := func(s listener.Scheme) bool {
		return slices.ContainsFunc(listeners, func(l listener.URL) bool { return l.Scheme == s })
	}
	switch {
	case o.TPROXY && !has(listener.SchemeTPROXY):
		return "", fmt.Errorf("--tproxy: %sLISTEN has no tproxy:// listener; add one, for example tproxy://:3130", settings.Prefix)
	case has(listener.SchemeRedirect) && !o.TPROXY && o.Routes:
		return "", errors.New("--routes: a redirect:// listener needs no routes; if there is a tproxy:// listener, add --tproxy")
	case has(listener.SchemeRedirect) && !o.TPROXY:
		return listener.SchemeRedirect, nil
	case has(listener.SchemeTPROXY) && o.Local:
		return "", errors.New("--local: TPROXY does not see connections of this machine's own programs; use a redirect:// listener for them")
	case has(listener.SchemeTPROXY):
		return listener.SchemeTPROXY, nil
	}
	return "", fmt.Errorf("%[1]sLISTEN has no listener for redirected connections; add one, for example %[1]sLISTEN=redirect://:3129, "+
		"or tproxy://:3130 for TPROXY", settings.Prefix)
}
