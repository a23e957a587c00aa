package service

import (
	"fmt"
	"os"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/warnings"
)

const trustHint = "The CA is new: clients that are lifted must trust its certificate. " +
	"Keep its directory: the certificate of another CA would have to be installed on every client again."

// announce prints what an administrator needs next: as lines for a person, or as
// log records for a machine.
func (s *Service) announce() {
	for _, w := range warnings.Of(s.cfg, os.Geteuid()) {
		s.log.Warn("a setting that is permitted and unwise", "cause", w.Text, "remedy", w.Remedy)
	}
	if s.cfg.LogFormat == settings.LogJSON {
		s.logStart()
	} else {
		fmt.Fprint(s.options.Log, s.startText())
	}
	s.allowed.WarnUncovered()
	if excess := s.ca.Excess(); len(excess) > 0 {
		s.log.Warn("whoever gets the key of the CA could do more with it than lift clients", "excess", strings.Join(excess, "; "),
			"remedy", "tlslift ca rotate makes a new CA, which is limited; both are in use until the clients have the new one")
	}
}

func (s *Service) startText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tlslift %s\n", s.options.Version)
	for _, l := range s.proxy.Listeners() {
		fmt.Fprintf(&b, "  listening on    %s\n", l)
	}
	if url := s.admin.url(); url != "" {
		fmt.Fprintf(&b, "  status page     %s/\n", url)
	}
	if url := s.public.urlForDevices(); url != "" {
		fmt.Fprintf(&b, "  for devices     %s/ca and %s/proxy.pac\n", url, url)
	}
	fmt.Fprintf(&b, "  CA certificate  %s\n", s.ca.CertificateFile())
	fmt.Fprintf(&b, "  SHA-256         %s\n", s.ca.Fingerprint())
	if s.ca.Created() {
		b.WriteString(trustHint + "\n")
	}
	return b.String()
}

func (s *Service) logStart() {
	for _, l := range s.proxy.Listeners() {
		s.log.Info("listening", "listener", l.String())
	}
	if url := s.admin.url(); url != "" {
		s.log.Info("admin", "url", url)
	}
	if url := s.public.urlForDevices(); url != "" {
		s.log.Info("public", "ca", url+"/ca", "pac", url+"/proxy.pac")
	}
	s.log.Info("certificate authority", "file", s.ca.CertificateFile(),
		"sha256", s.ca.Fingerprint(), "created", s.ca.Created())
	if s.ca.Created() {
		s.log.Info(trustHint)
	}
	s.log.Info("started", "version", s.options.Version)
}
