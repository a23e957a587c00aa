package devicetest

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/proxy/listener"
)

// Help and Example are those of the command.
const Help = `Point a device here and press its send, scan or test button: this opens listeners
of every mode for a while, looks at each connection, and says what to press again and
why. At the end it says what the device can do, what tlslift will do with it, the entry
for the clients file, and what to type on the panel of the device.

Each press tries something else, as far as that is needed: the certificate with SHA-1, a
key of 1024 bits, the CA sent along, valid from 2000 on, or of a CA that nobody trusts;
RC4 and single DES; small records; other ways to sign in; no TLS. What tlslift could
never serve is said to be so. Devices that press by themselves are faster.

It reads the same settings as serve, and uses the same CA. It listens on the addresses of
TLSLIFT_LISTEN, and for modes that are missing there on their usual ports; while a
tlslift runs, give other addresses with --listen, and type their ports on the device.
Only clients of TLSLIFT_CLIENT_NETS are served.

Nothing is sent to Microsoft 365. Mails are taken, up to 150 MB, and thrown away. Of a
password that the device sends only a range of its length is shown, and nothing is kept.

A page for the phone of who stands at the device is served at an address that is printed;
who does not know its path finds nothing there.

It ends when enough is known of the device, after --timeout, or with Ctrl-C, and prints
what is known by then. The exit code is 0 if each device that came can be served.`

const Example = `  tlslift test-device
  tlslift test-device --listen smtp://:2587,smtps://:2465 --client 192.168.20.31
  tlslift test-device --devices 3 --json > devices.json`

// introduce says how to begin.
func (t *tester) introduce(notes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, note := range notes {
		t.say("%s", note)
	}
	t.say("Point the device to one of these, and press its send, scan or test button:")
	for _, s := range t.sockets {
		t.say("    %-24s %s", t.reachable(s.URL.Address), modeText(s.URL))
	}
	if t.pages != nil {
		t.say("A page for a phone: %s", t.pages.url)
	}
	t.say("Mails are thrown away, nothing is sent to Microsoft 365, and passwords are neither shown nor kept.")
	t.say("It ends after %s, with Ctrl-C, or when enough is known.", t.Timeout)
}

// modeText says for what clients a listener is.
func modeText(u listener.URL) string {
	switch protocol := strings.ToUpper(string(u.Scheme.Mail())); {
	case u.Scheme == listener.SchemeProxy:
		return "HTTP proxy, for HTTPS"
	case protocol == "":
		return "SSL/TLS"
	case u.Scheme.ImplicitTLS():
		return protocol + " with SSL/TLS (implicit TLS)"
	default:
		return protocol + " with STARTTLS, or SSL/TLS (implicit TLS) on the same port"
	}
}

// reachable returns an address as a device may have it: one of this machine in the place of
// all of them.
func (t *tester) reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	addr, err := netip.ParseAddr(host)
	if host != "" && (err != nil || !addr.IsUnspecified()) {
		return address
	}
	all, err := t.Machine.Addresses()
	if err != nil {
		return address
	}
	var good []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			good = append(good, p.Addr())
		}
	}
	slices.SortStableFunc(good, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() }) // IPv4 first
	if len(good) == 0 {
		return net.JoinHostPort("localhost", port)
	}
	return net.JoinHostPort(good[0].String(), port)
}
