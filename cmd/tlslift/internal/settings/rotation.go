package settings

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tlslift/tlslift/proxy/clientfile"
)

// A rotation is which CA clients get during one.
type rotation clientfile.CA

func (r *rotation) UnmarshalText(text []byte) error {
	known, is := map[string]clientfile.CA{"old": clientfile.CAOld, "new": clientfile.CANew}[strings.ToLower(string(text))]
	if !is {
		return fmt.Errorf("%q is neither old nor new", text)
	}
	*r = rotation(known)
	return nil
}

// A baseURL is one below which there are others; empty means none.
type baseURL string

// UnmarshalText takes no https: a client that checks a certificate would have to check
// another one before.
func (b *baseURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	switch {
	case strings.Contains(string(text), "@"): // what is before it may be a secret, and is not shown
		return errors.New("a URL for devices has no user and no @")
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q is not such a URL", text)
	case u.Scheme != "http":
		return fmt.Errorf("%q is not a URL with http://", text)
	case len(text) > maxBaseURL:
		return fmt.Errorf("%q has more than %d characters", text, maxBaseURL)
	}
	*b = baseURL(strings.TrimRight(string(text), "/"))
	return nil
}

// ListURL returns where clients find revocation lists; nothing if leaves name none.
func (c *Config) ListURL() string {
	if c.CRLURL == "" {
		return ""
	}
	return string(c.CRLURL) + "/crl"
}

// maxBaseURL keeps certificates short.
const maxBaseURL = 200
