package upstream

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// failedFor is how long an address that has failed is dialled last.
	failedFor = 5 * time.Minute
	// maxFailed bounds how many are remembered.
	maxFailed = 1024
)

// A failures is the memory of addresses that could not be reached lately. They are
// dialled after the others. It is safe for concurrent use.
type failures struct {
	mu sync.Mutex
	at map[netip.AddrPort]time.Time // of the last one
}

func newFailures() *failures { return &failures{at: map[netip.AddrPort]time.Time{}} }

// has reports whether an address has failed lately.
func (f *failures) has(address netip.AddrPort) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, failed := f.at[address]
	return failed && time.Since(at) < failedFor
}

// add remembers an address that has failed. Where there are too many, those go that are
// old enough, or else any other one.
func (f *failures) add(address netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.at[address]; !known && len(f.at) >= maxFailed {
		f.makeRoom()
	}
	f.at[address] = time.Now()
}

// makeRoom forgets something. f.mu is held.
func (f *failures) makeRoom() {
	for address, at := range f.at {
		if time.Since(at) >= failedFor {
			delete(f.at, address)
		}
	}
	if len(f.at) < maxFailed {
		return
	}
	for address := range f.at {
		delete(f.at, address)
		return
	}
}

// forget forgets an address that was reached.
func (f *failures) forget(address netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.at, address)
}
