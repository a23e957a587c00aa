package check

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

const (
	// caSoon is how long before its end a CA is a warning: clients have to import another.
	caSoon = 90 * 24 * time.Hour
	// maxCA is above a file of certificates.
	maxCA = 1 << 20
	// maxListed is how many names one line has.
	maxListed = 5
)

// authority looks at tlslift's own CA.
func (c *checker) authority(context.Context) []Result {
	dir := filepath.Join(c.cfg.StateDir, "ca")
	r := Result{Check: Authority, Subject: dir, Status: Failed}
	certificate, err := readCA(filepath.Join(dir, "ca.pem"))
	if errors.Is(err, fs.ErrNotExist) && localca.Check(dir) == nil { // nor anything else
		return []Result{c.noAuthority(r)}
	}
	now := c.Machine.Now()
	switch {
	case err == nil && now.After(certificate.NotAfter):
		r.Says = "the CA has expired on " + certificate.NotAfter.Local().Format(time.DateOnly)
		r.Remedy = fmt.Sprintf("if this machine's clock is right, move %s away and restart tlslift, which makes a new CA; clients must "+
			"then import it", dir)
		return []Result{r}
	}
	if wrong := localca.Check(dir); wrong != nil { // says more
		err = wrong
	}
	if err != nil {
		r.Says, r.Remedy = parted(err.Error(), "correct it, or restore the directory from a backup")
		r.Remedy += c.forRoot(err)
		return []Result{r}
	}
	r.Status, r.Says = OK, "valid until "+certificate.NotAfter.Local().Format(time.DateOnly)
	if left := certificate.NotAfter.Sub(now); left < caSoon {
		r.Status, r.Says = Warning, fmt.Sprintf("%s, for %s more", r.Says, days(left))
		r.Remedy = "begin a rotation, so that clients can import a new one in time: tlslift ca rotate"
	}
	return append([]Result{r}, c.constraints(dir, certificate)...)
}

// readCA reads the certificate of a CA, the first in the file.
func readCA(path string) (*x509.Certificate, error) {
	text, err := secretfile.Read(path, maxCA)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s has no certificate in PEM form", path)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s has a broken certificate: %w", path, err)
	}
	return certificate, nil
}

// noAuthority is the result without a CA.
func (c *checker) noAuthority(r Result) Result {
	if c.running.is {
		r.Says = "there is no CA, although a tlslift runs that has loaded one"
		r.Remedy = fmt.Sprintf("restore the directory from a backup before the next start, which makes another CA; or correct "+
			"%sSTATE_DIR, if it is not that of the service", settings.Prefix)
		return r
	}
	r.Status, r.Says = Warning, "there is no CA yet; the first start of tlslift makes one"
	r.Remedy = "start tlslift, and import the CA on the clients that check certificates; if it has run before, correct " +
		settings.Prefix + "STATE_DIR"
	return r
}

// constraints compares what the CA may sign for with what clients are lifted to.
func (c *checker) constraints(dir string, certificate *x509.Certificate) []Result {
	allowed := certificate.PermittedDNSDomains
	r := Result{Check: Authority, Subject: dir, Status: Warning}
	if len(allowed) == 0 {
		r.Says = "it can sign for every name there is, so that who steals its key can be any server for its clients"
		r.Remedy = "let tlslift make a CA of its own, which is limited to the allowed hosts: tlslift ca rotate"
		return []Result{r}
	}
	var not []string
	for _, t := range c.targets {
		if t.isLifted && !slices.ContainsFunc(allowed, func(d string) bool { return isBelow(t.to.Host, d) }) {
			not = append(not, t.to.Host)
		}
	}
	not = slices.Compact(slices.Sorted(slices.Values(not)))
	if len(not) == 0 {
		return nil
	}
	r.Says = "it may not sign for " + listed(not) + ", which was allowed after the CA was made; clients that look at this reject it"
	r.Remedy = "let tlslift make a new CA beside it, and import that on the clients: tlslift ca rotate"
	return []Result{r}
}

// isBelow reports whether a host is a domain or below it.
func isBelow(host, domain string) bool {
	domain = strings.TrimPrefix(domain, ".")
	return strings.EqualFold(host, domain) || strings.HasSuffix(strings.ToLower(host), "."+strings.ToLower(domain))
}

// listed returns some of the names.
func listed(all []string) string {
	if len(all) > maxListed {
		return strings.Join(all[:maxListed], ", ") + fmt.Sprintf(" and %d more", len(all)-maxListed)
	}
	return strings.Join(all, ", ")
}
