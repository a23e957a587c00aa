package admission

import (
	"container/list"
	"net/netip"

	"github.com/tlslift/tlslift/proxy/record"
)

// A Place is one connection that is counted. Its methods may be called on nil.
type Place struct {
	admission *Admission
	group     *group       // nil while a PROXY header is awaited
	from      netip.Prefix // the balancer's group, while a PROXY header is awaited
	number    uint64
	cut       func(error)

	// Both are guarded by the Admission's mutex.
	element   *list.Element // nil once the place was given back
	isSettled bool
}

// Settle notes that the connection has got past its hello, or goes on without one.
func (p *Place) Settle() {
	if p == nil || p.group == nil {
		return
	}
	p.admission.mu.Lock()
	defer p.admission.mu.Unlock()
	if p.element == nil || p.isSettled {
		return
	}
	p.list().Remove(p.element)
	p.isSettled = true
	p.element = p.list().PushBack(p)
	p.admission.count(p.group, 0)
}

// Leave gives the place back. It may be called again.
func (p *Place) Leave() {
	if p == nil {
		return
	}
	p.admission.mu.Lock()
	defer p.admission.mu.Unlock()
	p.admission.remove(p)
}

// end cuts the connection whose place was given up.
func (p *Place) end() {
	if p != nil {
		p.cut(record.Fail(record.ReasonShed, errShed))
	}
}

// list returns the list that has the place.
func (p *Place) list() *list.List {
	switch {
	case p.group == nil:
		return p.admission.awaited[p.from]
	case p.isSettled:
		return &p.group.settled
	}
	return &p.group.waiting
}
