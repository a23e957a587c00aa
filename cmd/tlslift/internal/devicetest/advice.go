package devicetest

import (
	"cmp"
	"net"
	"slices"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/checkclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/plan"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
)

// A subject is a device that is described, by the best of its tries.
type subject struct {
	*tester
	device *device
	best   *plan.Try
	url    listener.URL // that it uses in service
}

// tlslift says what tlslift will do with the device, and what is missing for that.
func (s *subject) tlslift(options clientfile.Options) (action string, all fields) {
	p := s.device.plan
	action, why := s.action()
	all.add("decision", why)
	if p.Done() {
		all.add("result", p.Why)
	} else {
		all.add("result", strings.TrimSpace("not all was tried: "+p.Why))
	}
	if !p.Works && s.best.Reason != "" {
		all.add("reason", string(s.best.Reason))
		all.add("remedy", s.best.Reason.Remedy())
	}
	if options != s.device.options {
		named := options
		named.Name = cmp.Or(named.Name, "new") // so that the text is about the file
		all.add("options", checkclient.OptionsText(named))
	}
	text, _ := s.signIn()
	all.add("sign_in", text)
	all.add("setting", missing(s.Settings, s.url))
	if options != s.device.options && s.Settings.ClientsFile == "" {
		all.add("clients_file", "there is none yet: name one in "+settings.Prefix+"CLIENTS_FILE")
	}
	return action, all
}

// trust says what the device has to trust; ca is how it gets the CA.
func (s *subject) trust(action, ca string) string {
	switch {
	case action == decide.Pass.String():
		return "nothing of tlslift's: it is passed untouched"
	case s.best.Hello == nil:
		return "nothing: it uses no TLS. Whoever is between it and tlslift can read its password and its mails"
	case s.device.plan.Check == plan.ChecksNot:
		return "nothing: it takes any certificate. Whoever is between it and tlslift could read its password; turn its check on" +
			" if it has one, and " + strings.Replace(ca, " if it checks certificates", "", 1)
	}
	return ca
}

// inService returns the listener that a device uses in service: the configured one for
// what it has used in the test, or that of the test if there is none.
func (t *tester) inService(url string) listener.URL {
	var used listener.URL
	for _, s := range t.sockets {
		if s.URL.String() == url {
			used = s.URL
		}
	}
	for _, exactly := range []bool{true, false} {
		for _, has := range t.Settings.Listen {
			if has.Scheme == used.Scheme && (!exactly || portOf(has.Address) == portOf(used.Address)) {
				return has
			}
		}
	}
	return used
}

// action says what tlslift will do with the device, and why.
func (s *subject) action() (action, why string) {
	never, best := s.device.plan.Never, s.best
	switch {
	case never != "":
		return decide.Refuse.String(), "refuses it. " + never.Cause() + " " + never.Remedy()
	case best.Hello == nil && best.Outcome >= plan.NoSignIn:
		return "relay", "relays it, because " + record.RulePlaintext.Meaning()
	case best.Hello == nil:
		return "", "has decided nothing: it has sent no ClientHello"
	}
	c := best.Decision
	verb := map[decide.Action]string{decide.Pass: "passes it untouched", decide.Lift: "lifts it", decide.Refuse: "refuses it"}[c.Action]
	return c.Action.String(), verb + ", because " + c.Rule.Meaning()
}

// signIn says whether the device can sign in, or send without, as things are configured now,
// and what to do.
func (s *subject) signIn() (text string, ok bool) {
	c := connection{tester: s.tester, device: s.device, url: s.url, destination: s.destination(s.url)}
	best, mechanism := s.best, s.best.Session.Mechanism
	const orTlslift = "let tlslift sign in for it (TLSLIFT_SIGNIN_FILE)"
	switch here := c.signsInHere(); {
	case best.Protocol == record.ProtocolTLS:
		return "", true
	case here && mechanism == sasl.CRAMMD5:
		return "tlslift signs in for it; CRAM-MD5 needs its password in a file that tlslift can read (signin.md): LOGIN or PLAIN is better", true
	case here:
		return "tlslift signs in for it", true
	case mechanism == "" && best.Outcome == plan.Completed:
		isSubmission := c.destination == s.Policy.Mail().SMTP
		return "none. Microsoft 365 takes no mail like that at " + c.destination.String() +
			": turn on the sign-in on its panel, or " + orTlslift, !isSubmission
	case mechanism == sasl.Plain && best.Protocol == record.ProtocolSMTP, mechanism == sasl.CRAMMD5:
		return "Microsoft 365 does not offer " + mechanism + ": choose LOGIN on its panel, or " + orTlslift, false
	case best.Session.SignedIn && best.Protocol != record.ProtocolSMTP:
		return "Microsoft 365 takes no password for " + strings.ToUpper(string(best.Protocol)) + " any more: " + orTlslift, false
	case best.Session.SignedIn:
		return "Microsoft 365 takes " + mechanism + " where SMTP AUTH is allowed for the mailbox; otherwise " + orTlslift, true
	}
	return "", true
}

// missing says what to add to the settings for a listener that they do not have.
func missing(cfg *settings.Config, u listener.URL) string {
	if u.Scheme == "" || slices.ContainsFunc(cfg.Listen, func(has listener.URL) bool { return has.Scheme == u.Scheme }) {
		return ""
	}
	if host, port, err := net.SplitHostPort(u.Address); err == nil && (host == "::" || host == "0.0.0.0") {
		u.Address = ":" + port // of all addresses, as it is written
	}
	return "add " + u.String() + " to " + settings.Prefix + "LISTEN: tlslift has no such listener yet"
}
