package webconfig

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"

	"github.com/tlslift/tlslift/proxy/secretfile"
)

// maxFile bounds the file, and each file that it names.
const maxFile = 1 << 20

// A content is what a web configuration file says, with all that it names.
type content struct {
	users   map[string]string // the bcrypt hash of each
	headers map[string]string
	limiter *rate.Limiter // nil for no limit
	secure  *tls.Config   // nil for plain HTTP
	leaf    *x509.Certificate
	http2   bool
}

// read returns a file as it is written, with the paths in it made absolute. It is strict:
// a key that nobody knows is a mistake.
func read(path string) (*web.Config, error) {
	text, err := secretfile.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	c := &web.Config{
		TLSConfig:  web.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13},
		HTTPConfig: web.HTTPConfig{HTTP2: true},
	}
	if err := yaml.UnmarshalStrict(text, c); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	c.TLSConfig.SetDirectory(filepath.Dir(path))
	return c, nil
}

// load returns the content of a file, and checks it.
func load(path string) (*content, error) {
	c, err := read(path)
	if err != nil {
		return nil, err
	}
	loaded := &content{users: map[string]string{}, headers: c.HTTPConfig.Header, http2: c.HTTPConfig.HTTP2}
	for user, hash := range c.Users {
		if _, err := bcrypt.Cost([]byte(hash)); err != nil {
			return nil, fmt.Errorf("%s: the hash of user %q: %w", path, user, err)
		}
		loaded.users[user] = string(hash)
	}
	if err := checkHeaders(c.HTTPConfig.Header); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if every := c.RateLimiterConfig.Interval; every != 0 {
		loaded.limiter = rate.NewLimiter(rate.Every(every), c.RateLimiterConfig.Burst)
	}
	if c.TLSConfig.IsEnabled() {
		if err := loaded.useTLS(&c.TLSConfig); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return loaded, nil
}

// headers are those that the format allows, with their values if those are few.
var headers = map[string][]string{
	"Strict-Transport-Security": nil,
	"X-Content-Type-Options":    {"nosniff"},
	"X-Frame-Options":           {"deny", "sameorigin"},
	"X-Xss-Protection":          nil,
	"Content-Security-Policy":   nil,
}

func checkHeaders(wanted map[string]string) error {
	for name, value := range wanted {
		values, known := headers[textproto.CanonicalMIMEHeaderKey(name)]
		if !known || values != nil && !slices.Contains(values, value) {
			return fmt.Errorf("the header %q cannot be set to %q", name, value)
		}
	}
	return nil
}

// useTLS reads the files of the TLS configuration, so that nothing else opens them.
func (c *content) useTLS(t *web.TLSConfig) error {
	inline := *t
	if t.TLSCertPath != "" {
		text, err := secretfile.Read(t.TLSCertPath, maxFile)
		if err != nil {
			return err
		}
		inline.TLSCert, inline.TLSCertPath = string(text), ""
	}
	if t.ClientCAs != "" {
		text, err := secretfile.Read(t.ClientCAs, maxFile)
		if err != nil {
			return err
		}
		inline.ClientCAsText, inline.ClientCAs = string(text), ""
	}
	if t.TLSKeyPath != "" {
		key, err := secretfile.ReadKey(t.TLSKeyPath, maxFile)
		if err != nil {
			return err
		}
		defer clear(key)
		inline.TLSKeyPath = ""
		setText(&inline.TLSKey, key)
	}
	secure, err := web.ConfigToTLSConfig(&inline)
	if err != nil {
		return err
	}
	certificate, err := secure.GetCertificate(nil) // it reads no hello
	if err != nil {
		return err
	}
	secure.Certificates, secure.GetCertificate = []tls.Certificate{*certificate}, nil
	secure.NextProtos = []string{"http/1.1"}
	if c.http2 {
		secure.NextProtos = []string{"h2", "http/1.1"}
	}
	c.secure, c.leaf = secure, certificate.Leaf
	return nil
}

// setText sets a text of any type.
func setText[T ~string](to *T, text []byte) { *to = T(text) }

// A stamp tells whether a file is the same as before.
type stamp struct {
	path string
	info os.FileInfo // nil if it is not there
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{path: path}
	}
	return stamp{path, info}
}

// isCurrent reports whether nobody has changed the file since.
func (s stamp) isCurrent() bool {
	now := stampOf(s.path)
	if s.info == nil || now.info == nil {
		return s.info == nil && now.info == nil
	}
	return os.SameFile(s.info, now.info) && s.info.ModTime().Equal(now.info.ModTime()) && s.info.Size() == now.info.Size() &&
		s.info.Mode() == now.info.Mode()
}

// stampsOf returns the stamps of a file and of those that it names, as far as it can be
// read.
func stampsOf(path string) []stamp {
	all := []stamp{stampOf(path)}
	for _, named := range Files(path) {
		all = append(all, stampOf(named))
	}
	return all
}

// Files returns the files that a web configuration file names; none if it cannot be read.
func Files(path string) (named []string) {
	if path == "" {
		return nil
	}
	c, err := read(path)
	if err != nil {
		return nil
	}
	for _, file := range []string{c.TLSConfig.TLSCertPath, c.TLSConfig.TLSKeyPath, c.TLSConfig.ClientCAs} {
		if file != "" {
			named = append(named, file)
		}
	}
	return named
}

// KeepsOut reports whether a file asks for a password or a client certificate; for no path
// and for a file that cannot be read it does not.
func KeepsOut(path string) bool {
	if path == "" {
		return false
	}
	c, err := read(path)
	return err == nil && (len(c.Users) > 0 || c.TLSConfig.ClientAuth == "RequireAndVerifyClientCert")
}
