package policy

// Mail says where an instance takes mail from clients and lets them read it.
type Mail struct {
	SMTP Destination // submission, begins with STARTTLS
	IMAP Destination // inside TLS
	POP3 Destination // inside TLS
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

// Mail returns the mail destinations of the policy's instance, which the
// policy allows.
func (p *Policy) Mail() Mail {
	hosts := mailHosts[p.instance]
	return Mail{
		SMTP: Destination{hosts.submission, submissionPort},
		IMAP: Destination{hosts.reading, imapsPort},
		POP3: Destination{hosts.reading, pop3sPort},
	}
}
