package signin

import (
	"errors"
	"strings"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/yamlfile"
)

var errEmpty = errors.New("there is nothing in the file; write a tenant, an application and mailboxes")

func (r *reader) mailboxes(n *node) {
	all, ok := r.List(n, "mailboxes")
	if !ok {
		return
	}
	if len(all) == 0 {
		r.Wrong(n, "mailboxes is an empty list; add a mailbox")
	}
	if len(all) > maxMailboxes {
		r.Wrong(all[maxMailboxes], "there are more than %d mailboxes", maxMailboxes)
		return
	}
	for _, m := range all {
		r.mailbox(m)
	}
}

func (r *reader) mailbox(n *node) {
	m := &mailbox{sessions: defaultSessions, perMinute: defaultPerMinute, wait: defaultWait}
	given := r.Mapping(n, "a mailbox",
		yamlfile.Key("address", func(v *node) { m.address = r.mailboxAddress(v) }),
		yamlfile.Key("delegated", func(v *node) { m.delegated = r.Bool(v, "delegated") }),
		yamlfile.Key("user", func(v *node) { m.user = r.address(v, "user") }),
		yamlfile.Key("logins", func(v *node) { r.allLogins(v, m) }),
		yamlfile.Key("clients", func(v *node) { m.clients = r.clientList(v, r.mapped) }),
		yamlfile.Key("senders", func(v *node) { m.senders = r.senders(v) }),
		yamlfile.Key("sessions", func(v *node) { m.sessions = r.Number(v, "sessions", maxSessions) }),
		yamlfile.Key("messages_per_minute", func(v *node) { m.perMinute = r.Number(v, "messages_per_minute", maxPerMinute) }),
		yamlfile.Key("wait", func(v *node) { m.wait = r.duration(v, "wait") }),
		yamlfile.Key("hve", func(v *node) { m.hve = r.Bool(v, "hve") }),
	)
	if given == nil {
		return
	}
	if !given["address"] {
		r.Wrong(n, "the mailbox has no address; add one, for example address: scan@contoso.com")
	}
	if given["user"] && !m.delegated {
		r.Wrong(n, "the mailbox has a user, which only a delegated one has; add delegated: true, or remove user")
	}
	if !given["logins"] && !given["clients"] {
		r.Wrong(n, "nobody may use the mailbox; add logins, or clients that may send without a login")
	}
	r.cfg.mailboxes = append(r.cfg.mailboxes, m)
}

// address reads a mail address.
func (r *reader) address(n *node, what string) string {
	text, ok := r.Text(n, what)
	if ok && !isAddress(text) {
		r.Wrong(n, "%s is %q; write a mail address, for example scan@contoso.com", what, yamlfile.Shown(text))
	}
	return text
}

func isAddress(s string) bool {
	local, domain, _ := strings.Cut(s, "@")
	return local != "" && len(s) <= maxLogin && isPrintable(s) && !strings.ContainsAny(local, " <>,;:\"()[]\\*") &&
		strings.Contains(domain, ".") && netname.IsHost(strings.ToLower(domain))
}

func (r *reader) mailboxAddress(n *node) string {
	text := r.address(n, "address")
	r.once(n, text, r.addresses, "the mailbox %q is already given in line %d; make one mailbox of the two")
	return text
}

// once refuses what another line has; case does not matter.
func (r *reader) once(n *node, text string, lines map[string]int, problem string) bool {
	key := strings.ToLower(text)
	if line := lines[key]; line != 0 {
		r.Wrong(n, problem, yamlfile.Shown(text), line)
		return false
	}
	lines[key] = n.Line
	return true
}

func (r *reader) senders(n *node) []string {
	all, ok := r.List(n, "senders")
	if ok && len(all) == 0 {
		r.Wrong(n, "senders is an empty list; write addresses, or remove it to allow all")
	}
	var senders []string
	for _, one := range all {
		text, ok := r.Text(one, "a sender")
		domain, whole := strings.CutPrefix(text, "*@")
		if ok && (whole && !isAddress("any@"+domain) || !whole && !isAddress(text)) {
			r.Wrong(one, "the sender is %q; write an address, or *@ and a domain in quotes, for example \"*@contoso.com\"", yamlfile.Shown(text))
		}
		senders = append(senders, strings.ToLower(text))
	}
	return senders
}

func (r *reader) allLogins(n *node, m *mailbox) {
	all, ok := r.List(n, "logins")
	if ok && len(all) == 0 {
		r.Wrong(n, "logins is an empty list; add a login, or remove it")
	}
	if len(all)+len(r.logins) > maxLogins {
		r.Wrong(n, "there are more than %d logins", maxLogins)
		return
	}
	for _, l := range all {
		r.login(l, m)
	}
}

func (r *reader) login(n *node, m *mailbox) {
	l := &login{mailbox: m}
	given := r.Mapping(n, "a login",
		yamlfile.Key("name", func(v *node) { l.name = r.loginName(v) }),
		yamlfile.Key("password", func(v *node) { l.hash = r.hash(v) }),
		yamlfile.Key(secretFileKey, func(v *node) { l.secret = r.secretFile(v, maxPassword) }),
		yamlfile.Key("clients", func(v *node) { l.clients = r.clientList(v, nil) }),
	)
	if given == nil {
		return
	}
	if !given["name"] {
		r.Wrong(n, "the login has no name; add one, for example name: copier1")
	}
	if given["password"] == given[secretFileKey] {
		r.Wrong(n, "the login needs one of the two: password with a hash from tlslift password, or secret_file")
	}
	m.logins = append(m.logins, l)
	r.cfg.logins[strings.ToLower(l.name)] = l
}

func (r *reader) loginName(n *node) string {
	text, ok := r.Text(n, "name")
	if !ok {
		return ""
	}
	if text == "" || len(text) > maxLogin || !isPrintable(text) || strings.Trim(text, " ") != text {
		r.Wrong(n, "the name %q is not from 1 to %d printable ASCII characters, without spaces at its ends", yamlfile.Shown(text), maxLogin)
		return ""
	}
	r.once(n, text, r.logins, "the login %q is already taken in line %d; give each its own name")
	return text
}

// hash reads the hash of a password, and repeats nothing of it.
func (r *reader) hash(n *node) hash {
	text, ok := r.Text(n, "password")
	if !ok {
		return hash{}
	}
	h, err := parseHash(text)
	if err != nil {
		r.Wrong(n, "%s", err)
	}
	return h
}
