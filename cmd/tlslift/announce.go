package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/adminclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/m365"
)

const trustHint = "The CA is new: clients that are lifted must trust its certificate. " +
	"Keep its directory: the certificate of another CA would have to be installed on every client again."

// announce prints what an administrator needs next: as lines for a person, or as
// log records for a machine.
func (p *program) announce(s *service) {
	if s.cfg.LogFormat == settings.LogJSON {
		s.logStart(p.version)
	} else {
		_, _ = fmt.Fprint(p.stderr, s.startText(p.version)) // nobody reads what would be said about it
	}
	s.warnUncovered(uncovered(s.policy, s.ca))
}

func (s *service) warnUncovered(domains []string) {
	if len(domains) == 0 {
		return
	}
	s.log.Warn("the CA may not sign for some destinations, so clients that are lifted to them may reject its certificates",
		"domains", strings.Join(domains, ","),
		"remedy", "stop tlslift, move the CA's directory away, start it to have a new CA made, and install its certificate on the clients")
}

func (s *service) startText(version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tlslift %s\n", version)
	for _, l := range s.proxy.Listeners() {
		fmt.Fprintf(&b, "  listening on    %s\n", l)
	}
	if url := s.adminURL(); url != "" {
		fmt.Fprintf(&b, "  status page     %s/\n", url)
	}
	fmt.Fprintf(&b, "  CA certificate  %s\n", s.ca.CertificateFile())
	fmt.Fprintf(&b, "  SHA-256         %s\n", s.ca.Fingerprint())
	if s.ca.Created() {
		b.WriteString(trustHint + "\n")
	}
	return b.String()
}

func (s *service) logStart(version string) {
	for _, l := range s.proxy.Listeners() {
		s.log.Info("listening", "listener", l.String())
	}
	if url := s.adminURL(); url != "" {
		s.log.Info("admin", "url", url)
	}
	s.log.Info("certificate authority", "file", s.ca.CertificateFile(),
		"sha256", s.ca.Fingerprint(), "created", s.ca.Created())
	if s.ca.Created() {
		s.log.Info(trustHint)
	}
	s.log.Info("started", "version", version)
}

// adminURL returns "" if there is no admin address.
func (s *service) adminURL() string {
	if s.adminListener == nil {
		return ""
	}
	admin := adminclient.Client{Address: settings.Address(s.adminListener.Addr().String()), WebConfigFile: s.cfg.AdminWebConfig}
	url, _ := admin.URL() // what is wrong with the file was found when the settings were checked
	return url
}

// uncovered returns the domains of a policy that an older CA, made for other
// destinations, may not sign for.
func uncovered(p *m365.Policy, ca *localca.CA) []string {
	return slices.DeleteFunc(p.Domains(), ca.Covers)
}
