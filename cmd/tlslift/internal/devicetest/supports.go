package devicetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/checkclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/plan"
	"github.com/tlslift/tlslift/proxy/clienthello"
)

// supports says what a device has shown of itself.
func supports(d *device, best *plan.Try) []checkclient.Field {
	all := fields{}
	if best.Hello != nil {
		addHello(&all, d, best.Hello)
		all.add("negotiated", strings.TrimSpace(best.Version+" "+best.Suite))
	}
	all.add("encryption", encryptions(d))
	all.add("certificate_check", map[plan.Check]string{
		plan.Checks:    "yes",
		plan.ChecksNot: "no: it takes a certificate of a CA that nobody trusts",
	}[d.plan.Check])
	s := &best.Session
	all.add("greets_with", strings.TrimSpace(s.Hello+" "+s.Name))
	if s.Hello != "" && s.StartTLS && best.Version != "" && !s.Again {
		all.add("after_starttls", "it does not greet again, as it should (RFC 3207)")
	}
	all.add("sign_in", s.Mechanism)
	all.add("user", s.User)
	all.add("password", string(s.Password))
	if s.Mails > 0 && s.MailBytes > 0 {
		all.add("mail", mailText(best))
	}
	all.add("commands", strings.Join(s.Commands, " "))
	all.add("http_client", best.UserAgent)
	return all
}

// mailText describes the mails of a device.
func mailText(t *plan.Try) string {
	s := &t.Session
	text := fmt.Sprintf("%d, of %d bytes at most, by ", s.Mails, s.MailBytes)
	if s.BDAT {
		text += "BDAT"
	} else {
		text += "DATA"
	}
	text += ", longest line " + strconv.Itoa(s.LongestLine)
	const longest = 998 // RFC 5322 section 2.1.1
	if s.LongestLine > longest {
		text += ", which is more than the 998 that are allowed"
	}
	if s.BareLF {
		text += ", with lines that end in LF alone, which Microsoft 365 rejects without BDAT"
	}
	if s.EightBit {
		text += ", with bytes above 127"
	}
	return text
}

// encryptions says how the device has begun TLS.
func encryptions(d *device) string {
	var all []string
	add := func(text string) {
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	for _, t := range d.tries {
		switch {
		case t.Outcome == plan.Nothing:
		case t.Hello != nil && t.ImplicitTLS:
			add("SSL/TLS (implicit TLS)")
		case t.Hello != nil:
			add("STARTTLS")
		case t.Outcome == plan.NoTLS || t.Session.Spoke():
			add("none")
		}
	}
	return strings.Join(all, ", ")
}

// addHello describes what a ClientHello offers.
func addHello(all *fields, d *device, h *clienthello.Hello) {
	newest := h.MaxVersion()
	for _, t := range d.tries {
		if t.Hello != nil {
			newest = max(newest, t.Hello.MaxVersion())
		}
	}
	all.add("tls", clienthello.VersionName(newest)+" at most")
	var odd []string
	if h.Format == clienthello.SSLv2 {
		odd = append(odd, "in SSLv2 format")
	}
	if h.ServerName != "" {
		odd = append(odd, "with the server name (SNI) "+h.ServerName)
	} else {
		odd = append(odd, "without a server name (SNI)")
	}
	all.add("client_hello", strings.Join(odd, ", "))
	all.add("cipher_suites", suites(h.CipherSuites))
	all.add("extensions", names(h.Extensions, extensionText))
	all.add("groups", names(h.Groups, groupText))
	all.add("signatures", names(h.SignatureAlgorithms, signatureText))
	all.add("ja3", h.JA3())
}

// maxNames bounds a list that is shown.
const maxNames = 48

func names(ids []uint16, text func(uint16) string) string {
	var all []string
	for _, id := range ids[:min(len(ids), maxNames)] {
		all = append(all, text(id))
	}
	if len(ids) > maxNames {
		all = append(all, fmt.Sprintf("and %d more", len(ids)-maxNames))
	}
	return strings.Join(all, ", ")
}
