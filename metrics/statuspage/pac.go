package statuspage

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/tlslift/tlslift/proxy/listener"
)

// proxyListeners returns the listeners that are HTTP proxies.
func (s *site) proxyListeners() []listener.URL {
	var found []listener.URL
	for _, l := range s.Listeners() {
		if l.Scheme == listener.SchemeProxy {
			found = append(found, l)
		}
	}
	return found
}

// servePAC answers with a proxy auto-configuration file by which only requests for
// hosts of Microsoft 365 use tlslift.
func (s *site) servePAC(w http.ResponseWriter, r *http.Request) {
	listeners := s.proxyListeners()
	if len(listeners) == 0 {
		http.Error(w, "There is no proxy:// listener; add one to TLSLIFT_LISTEN, as in proxy://:3128.", http.StatusNotFound)
		return
	}
	asked, ok := requestHost(r)
	if !ok {
		http.Error(w, "The request's Host header has no host name.", http.StatusBadRequest)
		return
	}
	address, ok := proxyAddress(listeners, asked)
	if !ok {
		http.Error(w, "Only this machine can connect to the proxy:// listener; listen on another address, as in proxy://:3128.",
			http.StatusNotFound)
		return
	}
	text, err := pacText(s.Endpoints().Patterns, address)
	if err != nil {
		http.Error(w, "the file cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-ns-proxy-autoconfig")
	_, _ = w.Write([]byte(text)) // an error means that the peer has closed the connection
}

// proxyAddress returns host:port of the first listener that a client can connect to
// if it can connect to this server by the host name asked.
func proxyAddress(listeners []listener.URL, asked hostName) (string, bool) {
	for _, l := range listeners {
		name, port, err := net.SplitHostPort(l.Address)
		if err != nil {
			continue
		}
		host, ip := hostName(name), net.ParseIP(name)
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

// pacText returns the file. It is JavaScript of 1999, for the oldest clients, and uses
// only the functions that every client has.
func pacText(patterns []string, address string) (string, error) {
	var exact, below, shaped []string
	for _, p := range patterns {
		switch {
		case !strings.Contains(p, "*"):
			exact = append(exact, p)
		case strings.HasPrefix(p, "*."):
			below = append(below, p[1:])
		default:
			shaped = append(shaped, p)
		}
	}
	values := make([]any, 0, 4)
	for _, v := range []any{"PROXY " + address, exact, below, shaped} {
		text, err := json.MarshalIndent(v, "  ", "  ")
		if err != nil {
			return "", err
		}
		if string(text) == "null" {
			text = []byte("[]")
		}
		values = append(values, string(text))
	}
	return fmt.Sprintf(pacForm, values...), nil
}

// A * matches several labels in shExpMatch, but only one in our patterns: then host
// and pattern have equally many dots.
const pacForm = `// Requests for hosts of Microsoft 365 use tlslift, all others do not.
function FindProxyForURL(url, host) {
  var tlslift = %s;
  var exact = %s;
  var below = %s;
  var shaped = %s;
  var i;
  host = host.toLowerCase();
  if (host.charAt(host.length - 1) == ".") {
    host = host.substring(0, host.length - 1);
  }
  if (!isHTTPS(url)) {
    return "DIRECT";
  }
  for (i = 0; i < exact.length; i++) {
    if (host == exact[i]) {
      return tlslift;
    }
  }
  for (i = 0; i < below.length; i++) {
    if (host.length > below[i].length && dnsDomainIs(host, below[i])) {
      return tlslift;
    }
  }
  for (i = 0; i < shaped.length; i++) {
    if (shExpMatch(host, shaped[i]) && host.split(".").length == shaped[i].split(".").length) {
      return tlslift;
    }
  }
  return "DIRECT";
}

// Only port 443 is allowed everywhere.
function isHTTPS(url) {
  var parts = url.split("/");
  var scheme = parts[0].toLowerCase();
  if (scheme != "https:" && scheme != "wss:" || parts.length < 3) {
    return false;
  }
  var port = parts[2].substring(parts[2].lastIndexOf("@") + 1).match(/:([0-9]*)$/);
  return !port || port[1] == "" || port[1] == "443";
}
`
