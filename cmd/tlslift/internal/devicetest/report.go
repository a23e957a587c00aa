package devicetest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/checkclient"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/devicetest/plan"
	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/clientfile"
	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sasl"
)

// The names of fields, in JSON too, are a public interface.

// A Report is what a test has found.
type Report struct {
	Devices []Device `json:"devices"`
	wanted  int
}

// A Device is what a test has found of one device.
type Device struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"` // in the clients file
	// Works means that it can be served, with the entry, and sign in as things are configured
	// now; Finished, that all was tried.
	Works    bool                `json:"works"`
	Finished bool                `json:"finished"`
	Action   string              `json:"action"` // pass, lift, refuse, relay; empty if it is not known
	Supports []checkclient.Field `json:"supports"`
	Tlslift  []checkclient.Field `json:"tlslift"` // what tlslift will do with it
	// Entry is what to paste into the clients file; empty if nothing is needed. Replaces
	// means in the place of the entry that the device has there.
	Entry    string              `json:"entry,omitempty"`
	Replaces bool                `json:"replaces,omitempty"`
	Panel    []checkclient.Panel `json:"panel"`
	CA       string              `json:"ca"`
	Steps    []Step              `json:"steps"`
}

// Err returns why a test was no success; nil if it was one.
func (r *Report) Err() error {
	works := 0
	for _, d := range r.Devices {
		if d.Works {
			works++
		}
	}
	switch {
	case len(r.Devices) == 0:
		return errors.New("no device has come")
	case works < len(r.Devices):
		return fmt.Errorf("%d of %d devices cannot be served as things are, or not all was tried", len(r.Devices)-works, len(r.Devices))
	case works < r.wanted:
		return fmt.Errorf("%d of %d devices have come", works, r.wanted)
	}
	return nil
}

// report returns what is known of all devices.
func (t *tester) report() *Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &Report{Devices: []Device{}, wanted: t.Devices}
	for _, d := range t.devices {
		if slices.ContainsFunc(d.tries, func(try plan.Try) bool { return try.Outcome != plan.Nothing }) {
			r.Devices = append(r.Devices, t.describe(d))
		}
	}
	return r
}

// A subject is a device that is described, by the best of its tries.
type subject struct {
	*tester
	device *device
	best   *plan.Try
	url    listener.URL // that it uses in service
}

// describe says what is known of one device.
func (t *tester) describe(d *device) Device {
	s := subject{tester: t, device: d, best: &d.plan.Best}
	if s.best.Listener == "" { // nothing has counted
		s.best = &d.tries[len(d.tries)-1]
	}
	s.url = t.inService(s.best.Listener)
	options := d.plan.Options()
	if !d.plan.Works && s.best.Outcome < plan.Silent { // they have not helped
		options = d.options
	}
	shown := Device{
		Address: d.addr.String(), Name: d.options.Name, Works: d.plan.Works, Finished: d.plan.Done(), Steps: d.steps,
		Supports: supports(d, s.best), Panel: []checkclient.Panel{},
	}
	_, signsIn := s.signIn()
	shown.Works = shown.Works && signsIn
	shown.Action, shown.Tlslift = s.tlslift(options)
	if options != d.options {
		_, addr, found := t.clients.Called(d.options.Name)
		shown.Replaces = found && addr == d.addr
		written := options
		if !shown.Replaces {
			written.Name = "" // it may be that of a network
		}
		shown.Entry = clientfile.Entry(d.addr, written)
		if !shown.Replaces && d.options.Name != "" {
			shown.Tlslift = append(shown.Tlslift, checkclient.Field{
				Name: "name", Value: "with the entry it has a name of its own, and is not " + d.options.Name + " any more, also for the sign-in file",
			})
		}
	}
	panels, ca, err := checkclient.PanelsOf(t.Settings, t.Machine, d.addr, options, []listener.URL{s.url})
	if err == nil {
		shown.Panel, shown.CA = panels, s.trust(shown.Action, ca)
	}
	return shown
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

// fields are those that are known.
type fields []checkclient.Field

func (f *fields) add(name, value string) {
	if value != "" {
		*f = append(*f, checkclient.Field{Name: name, Value: value})
	}
}

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

// Print writes a report, or its JSON.
func (r *Report) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	}
	var b strings.Builder
	for _, d := range r.Devices {
		b.WriteString(d.text())
	}
	if len(r.Devices) == 0 {
		b.WriteString("\nNo device has come.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text returns what is known of a device, for people.
func (d *Device) text() string {
	var b strings.Builder
	name := d.Address
	if d.Name != "" {
		name = d.Name + " (" + d.Address + ")"
	}
	fmt.Fprintf(&b, "\n%s\n%s\n", name, strings.Repeat("=", len(name)))
	checkclient.Section(&b, "What it can do", d.Supports)
	checkclient.Section(&b, "What tlslift will do with it", d.Tlslift)
	if d.Entry != "" {
		b.WriteString("\nWhat to write into the clients file (TLSLIFT_CLIENTS_FILE), below \"clients:\"\n")
		if d.Replaces {
			b.WriteString("  (in the place of the entry that it has there)\n")
		}
		b.WriteString(d.Entry)
		b.WriteString("  (a tlslift that runs reads it after systemctl reload tlslift)\n")
	}
	for _, p := range d.Panel {
		checkclient.Section(&b, "What to type on its panel, for "+p.Listener, p.Type)
	}
	checkclient.Section(&b, "What it has to trust", []checkclient.Field{{Name: "ca", Value: d.CA}})
	return b.String()
}
