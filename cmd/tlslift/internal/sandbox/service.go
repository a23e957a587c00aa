package sandbox

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/webconfig"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/signin"
)

// maxPorts is how many ports are named one by one; with more, as for a destination with a
// wide range, all may be connected to.
const maxPorts = 1000

// Own is what the process needs to read its settings again, and to start a successor.
type Own struct {
	EnvFile string   // with settings; empty for none
	Command []string // the path of the program first, as it was started; empty if it is not known
}

// OfService returns what "tlslift serve" needs with these settings.
func OfService(c *settings.Config, application signin.Application, own Own) Limits {
	read, write, execute := set{}, set{}, set{}
	// What Go's resolver, its certificate verification and its clock read, and the metrics
	// of the process.
	read.add("/etc", "/proc", "/sys", "/dev", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/zoneinfo",
		"/usr/share/pki", "/var/lib/ca-certificates", "/system/etc/security/cacerts")
	read.addParents("/etc/resolv.conf", "/etc/hosts", os.Getenv("SSL_CERT_FILE"))
	read.add(filepath.SplitList(os.Getenv("SSL_CERT_DIR"))...)
	read.addParents(c.AdminWebConfig, c.UpstreamCAFile, c.UpstreamCert, c.UpstreamKey, c.ClientsFile, c.SignInFile,
		application.SecretFile, application.CertificateFile, application.FederatedTokenFile)
	read.addParents(webconfig.Files(c.AdminWebConfig)...)
	read.addParents(own.EnvFile)
	write.add(c.StateDir, "/dev/null")
	write.addParents(c.TicketKeysFile)
	// A successor is started from the file of the program, which may have been replaced; one
	// that is not static needs its libraries.
	if program, err := os.Executable(); err == nil {
		execute.addParents(strings.TrimSuffix(program, " (deleted)"))
	}
	execute.addParents(own.Command[:min(1, len(own.Command))]...)
	execute.add("/lib", "/lib64", "/usr/lib", "/usr/lib64")
	connect := ports(c)
	if application.ManagedIdentity != "" {
		read.add("/var/opt/azcmagent/tokens") // Azure Arc proves with a file there that it is asked by this machine
		connect = withPorts(connect, managedIdentityPorts()...)
	}
	return Limits{Read: read.sorted(), Write: write.sorted(), Execute: execute.sorted(), Connect: connect}
}

// managedIdentityPorts returns the ports of the services that give Azure's machines and
// containers their tokens.
func managedIdentityPorts() []uint16 {
	all := []uint16{80, 40342} // the virtual machine's, and that of Azure Arc
	for _, name := range []string{"IDENTITY_ENDPOINT", "MSI_ENDPOINT", "IMDS_ENDPOINT"} {
		if at, err := url.Parse(os.Getenv(name)); err == nil && at.Host != "" {
			all = append(all, portOfURL(at))
		}
	}
	return all
}

// withPorts adds ports to those that are permitted, unless all are.
func withPorts(permitted []uint16, ports ...uint16) []uint16 {
	if permitted == nil {
		return nil
	}
	permitted = append(permitted, ports...)
	slices.Sort(permitted)
	return slices.Compact(permitted)
}

// ports returns all that the settings let tlslift connect to; nil if they are too many,
// or if a listener relays what is not for Microsoft 365 to where it was going.
func ports(c *settings.Config) []uint16 {
	if slices.ContainsFunc(c.Listen, func(l listener.URL) bool { return l.Bypass }) {
		return nil
	}
	// Name servers, and the web services of lists and of sign-in.
	all := []uint16{53, 443}
	list, err := m365.BuiltIn(c.Instance)
	if err != nil { // the list is part of the program
		return nil
	}
	allowed, err := m365.NewFrom(list, c.Destinations)
	if err != nil {
		return nil
	}
	for _, e := range allowed.Endpoints() {
		some, err := policy.ParsePorts(e.Ports())
		if err != nil {
			return nil
		}
		for port := range some.All() {
			if all = append(all, port); len(all) > maxPorts {
				slices.Sort(all)
				if all = slices.Compact(all); len(all) > maxPorts {
					return nil
				}
			}
		}
	}
	for _, to := range c.ConnectTo {
		all = append(all, portOf(to))
	}
	if c.UpstreamProxy != nil {
		all = append(all, portOfURL(c.UpstreamProxy))
	}
	return withPorts([]uint16{}, all...)
}

// portOf returns the port of addr:port, which has been checked.
func portOf(addr string) uint16 {
	port, err := strconv.ParseUint(addr[strings.LastIndex(addr, ":")+1:], 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

// portOfURL returns the port that a URL names, or that of its scheme.
func portOfURL(u *url.URL) uint16 {
	switch port := u.Port(); {
	case port != "":
		return portOf(port)
	case u.Scheme == "https":
		return 443
	default:
		return 80
	}
}
