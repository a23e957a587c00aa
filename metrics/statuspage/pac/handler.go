package pac

import (
	"net"
	"net/http"

	"github.com/tlslift/tlslift/proxy/listener"
)

// A Handler answers with a proxy auto-configuration file by which only requests for
// hosts of Microsoft 365 use tlslift. Its functions are called for each request, from many
// goroutines at once.
type Handler struct {
	// Listeners returns the open listeners.
	Listeners func() []listener.URL
	// Patterns returns the host patterns that clients may reach on port 443.
	Patterns func() []string
}

// proxies returns the listeners that are HTTP proxies.
func (h *Handler) proxies() []listener.URL {
	var found []listener.URL
	for _, l := range h.Listeners() {
		if l.Scheme == listener.SchemeProxy {
			found = append(found, l)
		}
	}
	return found
}

// HasProxy reports whether there is a listener to which a file could lead.
func (h *Handler) HasProxy() bool { return len(h.proxies()) > 0 }

// ServeHTTP answers GET and HEAD.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	listeners := h.proxies()
	if len(listeners) == 0 {
		http.Error(w, "There is no proxy:// listener; add one to TLSLIFT_LISTEN, for example proxy://:3128.", http.StatusNotFound)
		return
	}
	asked, ok := RequestHost(r)
	if !ok {
		http.Error(w, "The request's Host header has no host name.", http.StatusBadRequest)
		return
	}
	address, ok := proxyAddress(listeners, asked)
	if !ok {
		http.Error(w, "Only this machine can connect to the proxy:// listener; listen on another address, for example proxy://:3128.",
			http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/x-ns-proxy-autoconfig")
	_ = Write(w, h.Patterns(), address) // an error means that the peer has closed the connection
}

// proxyAddress returns host:port of the first listener that a client can connect to
// if it can connect to this server by the host name asked.
func proxyAddress(listeners []listener.URL, asked HostName) (string, bool) {
	for _, l := range listeners {
		name, port, err := net.SplitHostPort(l.Address)
		if err != nil {
			continue
		}
		host, ip := HostName(name), net.ParseIP(name)
		switch {
		case host.loopback() && !asked.loopback():
			continue
		case host.loopback():
		case host == "" || ip != nil && ip.IsUnspecified():
			host = asked
		}
		if _, ok := parseHost(string(host)); ok {
			return net.JoinHostPort(string(host), port), true
		}
	}
	return "", false
}
