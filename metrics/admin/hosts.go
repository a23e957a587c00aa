package admin

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/secretfile"
)

// hosts are the names under which an admin address answers. Any other one may be that of a
// web site, which by DNS rebinding makes a browser of the administrator send requests here
// and reads the answers.
type hosts struct {
	names []string
	// covers reports whether a name is in the certificate; a browser that has come by TLS
	// has checked it.
	covers func(name string) bool
}

// newHosts returns the names of the operator and those of the machine.
func newHosts(named []string, covers func(string) bool) *hosts {
	h := &hosts{covers: covers}
	for _, name := range named {
		h.names = append(h.names, plainHost(name))
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		name = plainHost(name)
		short, _, _ := strings.Cut(name, ".")
		h.names = append(h.names, name, short+".local")     // the latter by multicast DNS (RFC 6762)
		text, _ := secretfile.Read(hostsFile, maxHostsFile) // systems without one have nothing to add
		h.names = append(h.names, namesBeside(string(text), name, short)...)
	}
	return h
}

const (
	// hostsFile is where systems write the whole name of the machine, as name servers know
	// it, beside its short one (hosts(5)).
	hostsFile    = "/etc/hosts"
	maxHostsFile = 1 << 20
)

// namesBeside returns the names in the lines of a hosts file that have one of the machine's
// own.
func namesBeside(text string, own ...string) (names []string) {
	for line := range strings.Lines(strings.ToLower(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) > 1 && slices.ContainsFunc(fields[1:], func(f string) bool { return slices.Contains(own, f) }) {
			names = append(names, fields[1:]...)
		}
	}
	return names
}

// allow reports whether a request has asked for this address under one of its names. An IP
// address is no name of a web site, whichever it is: a router or a container may have
// translated it. Nor is a name without a dot, nor one that leads to the browser's own
// machine whoever resolves it (RFC 6761 section 6.3). A browser always sends a name.
func (h *hosts) allow(r *http.Request) bool {
	name := plainHost(r.Host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return !strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost") || slices.Contains(h.names, name) ||
		r.TLS != nil && h.covers(name)
}

// plainHost returns the host of a Host header in small letters, without port and final dot.
func plainHost(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

const foreignHost = "this address does not answer to that host name; use localhost, the IP address or the name of the machine " +
	"in the URL, or add the name to TLSLIFT_ADMIN_HOSTS"

// check keeps out requests under other names. The health checks tell nobody anything.
func (h *hosts) check(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !IsHealth(r.URL.Path) && !h.allow(r) {
			http.Error(w, foreignHost, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
