package mailbox

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// ServePOP3 starts a server of mailboxes as outlook.office365.com:995 is with
// o.Implicit, and :110 without. TLS 1.0 and 1.1 are refused by an alert unless
// o.TLS allows them.
//
// It speaks RFC 1939 without APOP, and RFC 2449 and RFC 2595 for CAPA and STLS.
// With o.Tokens the accounts are opened by AUTH XOAUTH2 only, as Microsoft has it,
// and otherwise by USER and PASS only. Both want TLS.
func ServePOP3(fake *fakem365.Service, o Options) (*Server, error) {
	m := &maildrops{options: o, drops: map[string][]*popMessage{}}
	for _, message := range o.Inbox {
		_ = m.deliver(wireLines(message)) // it never fails
	}
	server, err := fake.Serve(o.TLS, func(s *fakem365.Server, conn net.Conn) {
		pop := newPOPSession(s, m, conn)
		if o.Implicit && !pop.handshake() {
			return // the client has its alert, and Handshakes counts it
		}
		pop.talk()
	})
	if err != nil {
		return nil, err
	}
	return &Server{Server: server, deliver: m.deliver}, nil
}

// maildrops are the messages of all accounts.
type maildrops struct {
	options Options

	mu    sync.Mutex
	drops map[string][]*popMessage // by address in lower case
	last  int                      // unique identifier given to a message
}

// A popMessage is never changed.
type popMessage struct {
	uid  int
	data []byte // lines end with CRLF
}

func (m *maildrops) deliver(message []byte) error {
	if !bytes.HasSuffix(message, []byte("\r\n")) {
		message = append(message, "\r\n"...)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	for _, account := range m.options.Accounts {
		address := strings.ToLower(account.Address)
		m.drops[address] = append(m.drops[address], &popMessage{uid: m.last, data: message})
	}
	return nil
}

// of returns what an address has now.
func (m *maildrops) of(address string) []*popMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.drops[strings.ToLower(address)])
}

func (m *maildrops) remove(address string, gone []*popMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	address = strings.ToLower(address)
	m.drops[address] = slices.DeleteFunc(m.drops[address], func(p *popMessage) bool { return slices.Contains(gone, p) })
}
