// Package pac writes a proxy auto-configuration file, and serves it. It refuses to send
// anything but requests for hosts of Microsoft 365 to tlslift, and to put anything but a
// host name of a request into the file.
package pac

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Write writes a file by which requests for hosts that match a pattern use the proxy at an
// address, host:port. It is JavaScript of 1999, for the oldest clients, and uses only the
// functions that every client has.
func Write(w io.Writer, patterns []string, address string) error {
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
			return err
		}
		if string(text) == "null" {
			text = []byte("[]")
		}
		values = append(values, string(text))
	}
	_, err := fmt.Fprintf(w, form, values...)
	return err
}

// A * matches several labels in shExpMatch, but only one in our patterns: then host
// and pattern have equally many dots.
const form = `// Requests for hosts of Microsoft 365 use tlslift, all others do not.
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
