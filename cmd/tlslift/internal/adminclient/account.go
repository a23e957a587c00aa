package adminclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"unicode"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

// maxPasswordFile is more than any password has; bcrypt compares 72 bytes.
const maxPasswordFile = 4096

// An Account is how a client signs in to an admin address that asks for a password. The
// zero value is none.
type Account struct {
	User         string
	PasswordFile string
}

// sign adds the user and the password to a request. The error repeats nothing of the
// password.
func (a Account) sign(request *http.Request) error {
	text, err := secretfile.ReadKey(a.PasswordFile, maxPasswordFile)
	if err != nil {
		return settings.CannotRead("ADMIN_PASSWORD_FILE", a.PasswordFile, err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" || strings.ContainsFunc(password, unicode.IsControl) {
		return fmt.Errorf("%sADMIN_PASSWORD_FILE: %s must have one line with the password of %s, as it was before it was hashed",
			settings.Prefix, a.PasswordFile, a.User)
	}
	request.SetBasicAuth(a.User, password)
	return nil
}

// errWithoutTLS is why a password is not sent.
var errWithoutTLS = errors.New("the password would cross the network without TLS: add tls_server_config to the file of " +
	settings.Prefix + "ADMIN_WEB_CONFIG_FILE, or ask on the machine itself")

// dialHere connects only to this machine, so that a password without TLS stays on it.
func (c *Client) dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	permits := isHere
	if c.isHere != nil {
		permits = c.isHere
	}
	if !permits(conn.LocalAddr(), conn.RemoteAddr()) {
		_ = conn.Close() // nothing was sent
		return nil, errWithoutTLS
	}
	return conn, nil
}

// isHere reports whether both ends of a connection are on this machine: the system then
// takes the same address for both, or one of loopback.
func isHere(local, remote net.Addr) bool {
	to := ipOf(remote)
	return to.IsValid() && (to.IsLoopback() || to == ipOf(local))
}

// ipOf returns the address of one end without its port.
func ipOf(a net.Addr) netip.Addr {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}
