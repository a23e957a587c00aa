package m365

import (
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// Mail says where an instance takes mail from clients and lets them read it.
type Mail struct {
	SMTP policy.Destination // submission, with STARTTLS
	IMAP policy.Destination // implicit TLS
	POP3 policy.Destination // implicit TLS
	// HVE is submission of High Volume Email, with STARTTLS; zero where there is none.
	HVE policy.Destination
}

// Of returns the destination of a protocol; zero for those that are not mail.
func (m Mail) Of(p record.Protocol) policy.Destination {
	switch p {
	case record.ProtocolSMTP:
		return m.SMTP
	case record.ProtocolIMAP:
		return m.IMAP
	case record.ProtocolPOP3:
		return m.POP3
	}
	return policy.Destination{}
}

const (
	smtpPort       = 25
	httpsPort      = 443
	submissionPort = 587
	imapsPort      = 993
	pop3sPort      = 995
)

// mailHosts are the hosts for submission and for reading.
var mailHosts = map[Instance]struct{ submission, reading string }{
	Worldwide: {"smtp.office365.com", "outlook.office365.com"},
	GCCHigh:   {"outlook.office365.us", "outlook.office365.us"},
	DoD:       {"outlook-dod.office365.us", "outlook-dod.office365.us"},
	China:     {"partner.outlook.cn", "partner.outlook.cn"},
}

// hveHost is where High Volume Email is submitted.
const hveHost = "smtp.hve.mx.microsoft"

// TakesTokens reports whether a host is one at which the mailboxes of the policy's
// instance sign in. A token of theirs is sent to no other.
func (p *Policy) TakesTokens(host string) bool {
	hosts := mailHosts[p.list.instance]
	return host == hosts.submission || host == hosts.reading || host == hveHost && p.list.instance == Worldwide
}

// Mail returns the mail destinations of the policy's instance, which the
// policy allows.
func (p *Policy) Mail() Mail {
	hosts := mailHosts[p.list.instance]
	all := Mail{
		SMTP: policy.Destination{Host: hosts.submission, Port: submissionPort},
		IMAP: policy.Destination{Host: hosts.reading, Port: imapsPort},
		POP3: policy.Destination{Host: hosts.reading, Port: pop3sPort},
	}
	if p.TakesTokens(hveHost) {
		all.HVE = policy.Destination{Host: hveHost, Port: submissionPort}
	}
	return all
}
