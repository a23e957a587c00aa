// Package adminclient asks the admin address of a running tlslift.
//
// It never follows HTTP_PROXY, and trusts the certificate of the web
// configuration file alone.
package adminclient

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics/webconfig"
	"github.com/tlslift/tlslift/proxy/netname"
)

const (
	// maxAnswer is above the answer about the most clients that are kept.
	maxAnswer     = 256 << 20
	answerTimeout = time.Minute
	// maxErrorText bounds what an error repeats of an answer.
	maxErrorText = 500
)

// A Client asks the tlslift that has its admin listener where the settings say.
type Client struct {
	// Address is the one of ADMIN_LISTEN; empty means that there is none to ask.
	Address settings.Address
	// WebConfigFile is the one of ADMIN_WEB_CONFIG_FILE; empty means plain HTTP.
	WebConfigFile string
	// Account is used when the address asks for a password.
	Account Account

	asked  atomic.Bool                       // the address has asked for a password before
	isHere func(local, remote net.Addr) bool // of tests; nil means isHere
}

// New returns a client for the admin address of cfg. It may be used by several goroutines at once.
func New(cfg *settings.Config) *Client {
	return &Client{
		Address: cfg.AdminListen, WebConfigFile: cfg.AdminWebConfig,
		Account: Account{User: cfg.AdminUser, PasswordFile: cfg.AdminPassFile},
	}
}

// A Question is one to the admin address.
type Question struct {
	Method string // empty means GET
	Path   string
	Query  url.Values
	// Wait is how long the answer may take beyond what it usually takes.
	Wait time.Duration
}

// An UnreachableError is an error of not reaching a tlslift, as opposed to what it
// answers.
type UnreachableError struct{ error }

func (e UnreachableError) Unwrap() error { return e.error }

// A BusyError is an answer by which the question may be asked again later: 429 or one of
// the server's own errors.
type BusyError struct {
	error
	// After is the time that the answer asks to wait; zero if it does not say.
	After time.Duration
}

func (e BusyError) Unwrap() error { return e.error }

// A ForeignError is an answer that no tlslift gives to the question.
type ForeignError struct{ error }

func (e ForeignError) Unwrap() error { return e.error }

// busy returns the error for an answer that is no refusal of the question itself.
func busy(response *http.Response, err error) error {
	if response.StatusCode != http.StatusTooManyRequests && response.StatusCode < http.StatusInternalServerError ||
		response.StatusCode == http.StatusNotImplemented {
		return err
	}
	seconds, parsed := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
	if parsed != nil {
		seconds = 0
	}
	return BusyError{err, time.Duration(seconds) * time.Second}
}

// Ask returns the answer to q.
func (c *Client) Ask(ctx context.Context, q Question) ([]byte, error) {
	if c.Address == "" {
		return nil, errors.New(settings.Prefix + "ADMIN_LISTEN is empty, so there is no address to ask; set it, and restart tlslift with it")
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout+q.Wait)
	defer cancel()
	path := q.Path
	if len(q.Query) > 0 {
		path += "?" + q.Query.Encode()
	}
	response, where, err := c.send(ctx, cmp.Or(q.Method, http.MethodGet), path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() // only read from
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, UnreachableError{fmt.Errorf("reading the answer of %s: %w", where, err)}
	}
	if response.StatusCode == http.StatusOK {
		return text, nil
	}
	if response.StatusCode == http.StatusUnauthorized {
		return nil, c.notSignedIn(where)
	}
	return nil, busy(response, q.refused(where, response, text))
}

// notSignedIn returns the error of an address that asks for a password.
func (c *Client) notSignedIn(where string) error {
	if c.Account.User == "" {
		return fmt.Errorf("asking %s: it asks for a password; set %[2]sADMIN_USER to a user of the file of %[2]sADMIN_WEB_CONFIG_FILE, "+
			"and %[2]sADMIN_PASSWORD_FILE to a file of mode 0600 with the password", where, settings.Prefix)
	}
	return fmt.Errorf("asking %s: it does not take the user %s with the password of %s; correct %[4]sADMIN_USER and %[4]sADMIN_PASSWORD_FILE "+
		"by basic_auth_users in the file of %[4]sADMIN_WEB_CONFIG_FILE", where, netname.Text(c.Account.User, maxErrorText),
		c.Account.PasswordFile, settings.Prefix)
}

// refused returns the error of an answer that is not the one to q.
func (q *Question) refused(where string, response *http.Response, text []byte) error {
	answer := errorIn(text)
	switch response.StatusCode {
	case http.StatusForbidden, http.StatusNotFound:
		if answer != "" { // it has understood the question
			return errors.New(answer)
		}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return fmt.Errorf("asking %s%s: %s", where, q.Path, cmp.Or(answer, netname.Text(strings.TrimSpace(string(text)), maxErrorText)))
	}
	return ForeignError{fmt.Errorf("asking %s%s: %s; is it a tlslift of the same version?",
		where, q.Path, cmp.Or(answer, netname.Text(response.Status, maxErrorText)))}
}

// send asks for a path with its query, and signs in if the address asks for that. It also
// returns the URL of the address.
func (c *Client) send(ctx context.Context, method, path string) (*http.Response, string, error) {
	transport, scheme, err := c.transport()
	if err != nil {
		return nil, "", err
	}
	where := scheme + "://" + reachable(c.Address)
	request, err := http.NewRequestWithContext(ctx, method, where+path, nil)
	if err != nil {
		return nil, "", err
	}
	if !c.asked.Load() {
		response, err := roundTrip(transport, request, where)
		if err != nil || response.StatusCode != http.StatusUnauthorized || c.Account.User == "" {
			return response, where, err
		}
		_ = response.Body.Close() // it only says that a password is needed
		c.asked.Store(true)
	}
	if err := c.Account.sign(request); err != nil {
		return nil, "", err
	}
	if scheme == "http" {
		transport.DialContext = c.dialHere
	}
	response, err := roundTrip(transport, request, where)
	return response, where, err
}

func roundTrip(transport *http.Transport, request *http.Request, where string) (*http.Response, error) {
	response, err := transport.RoundTrip(request)
	switch {
	case errors.Is(err, errWithoutTLS):
		return nil, fmt.Errorf("asking %s: %w", where, errWithoutTLS)
	case err != nil:
		return nil, UnreachableError{fmt.Errorf("asking %s: %w; "+
			"is tlslift running with the same %[3]sADMIN_LISTEN and %[3]sADMIN_WEB_CONFIG_FILE?",
			where, settings.SystemError(err), settings.Prefix)}
	}
	return response, nil
}

// errorIn returns the error in an answer of the API; nothing if there is none.
func errorIn(text []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return ""
	}
	return netname.Text(answer.Error, maxErrorText)
}

// AskJSON stores the answer to q, which is JSON, in into.
func (c *Client) AskJSON(ctx context.Context, q Question, into any) error {
	text, err := c.Ask(ctx, q)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading the answer about %s: %w; is it a tlslift of the same version?", q.Path, err)
	}
	return nil
}

// URL returns the URL of the admin address.
func (c *Client) URL() (string, error) {
	_, scheme, err := c.transport()
	if err != nil {
		return "", err
	}
	return scheme + "://" + reachable(c.Address), nil
}

// transport returns what reaches the admin address, and by which scheme. It is a
// transport of its own: the default one would go through $HTTP_PROXY.
func (c *Client) transport() (*http.Transport, string, error) {
	secure, err := webconfig.ClientTLS(c.WebConfigFile)
	if err != nil {
		return nil, "", fmt.Errorf("%sADMIN_WEB_CONFIG_FILE: %w", settings.Prefix, err)
	}
	scheme := "http"
	if secure != nil {
		scheme = "https"
	}
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: secure}, scheme, nil
}

// reachable turns an address to listen on into one to connect to: a listener
// on all addresses of the machine is asked over loopback.
func reachable(a settings.Address) string {
	host, port, err := net.SplitHostPort(string(a))
	if err != nil {
		return string(a)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case err == nil && ip == netip.IPv6Unspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
