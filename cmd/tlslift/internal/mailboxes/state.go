package mailboxes

import (
	"strings"

	"github.com/tlslift/tlslift/metrics/tenant"
	"github.com/tlslift/tlslift/proxy/entra"
	"github.com/tlslift/tlslift/proxy/signin"
)

// State returns how the sign-in is now, for metrics and the status page. Of a nil Service
// it is that of none.
func (s *Service) State() tenant.State {
	if s == nil {
		return tenant.State{}
	}
	s.mu.RLock()
	file, source := s.file, s.source
	s.mu.RUnlock()
	state := tenant.State{Tenant: file.Tenant, Credential: credentialOf(file, source)}
	waiters := s.Keeper.Waiters(maxWaiters)
	for _, q := range s.Keeper.Queues() {
		state.Mailboxes = append(state.Mailboxes, tenant.Mailbox{
			Address: q.Mailbox, Sessions: q.Sessions, MaxSessions: q.MaxSessions,
			Waiting: q.Waiting, WaitingMails: q.WaitingMails, Oldest: q.Oldest,
			Queue: queueOf(waiters[q.Mailbox]),
		})
	}
	used := accounts(file)
	for _, t := range source.States() {
		// One of a mailbox that is gone is asked for no more, so its failure would stay.
		if used[account{t.Account, t.HVE}] {
			state.Tokens = append(state.Tokens, tenant.Token{
				Account: t.Account, Protocol: t.Protocol, HVE: t.HVE, Expires: t.Expires,
				Reason: t.Reason, Detail: t.Detail, Failed: t.Failed,
			})
		}
	}
	return state
}

// maxWaiters is how many are shown that wait at a mailbox for a session, and for a mail.
const maxWaiters = 10

func queueOf(waiters []signin.Waiter) (all []tenant.Waiter) {
	for _, w := range waiters {
		all = append(all, tenant.Waiter(w))
	}
	return all
}

// An account is who a token is for: the application if it has no name.
type account struct {
	name string // in lower case
	hve  bool
}

// accounts returns the accounts that a file needs tokens of.
func accounts(file *signin.Config) map[account]bool {
	all := map[account]bool{}
	for _, m := range file.Mailboxes() {
		a := account{hve: m.HVE}
		if m.Delegated {
			a.name = strings.ToLower(m.Address)
			if m.User != "" {
				a.name = strings.ToLower(m.User)
			}
		}
		all[a] = true
	}
	return all
}

func credentialOf(file *signin.Config, source *entra.Source) tenant.Credential {
	switch a := file.Application; {
	case a.SecretFile != "":
		return tenant.Credential{Kind: "secret", Expires: a.Expires}
	case a.CertificateFile != "":
		expires, _ := source.Credential() // zero when it is not known
		return tenant.Credential{Kind: "certificate", Expires: expires}
	case a.FederatedTokenFile != "":
		return tenant.Credential{Kind: "federated_token"}
	case a.ManagedIdentity != "":
		return tenant.Credential{Kind: "managed_identity"}
	}
	return tenant.Credential{}
}
