package localca

import (
	"container/list"
	"crypto/sha256"
	"crypto/tls"
	"sync"
	"time"
)

// cache holds the leaves that were asked for last.
type cache struct {
	size int

	mu      sync.Mutex
	entries map[[sha256.Size]byte]*list.Element // of *entry
	recent  *list.List                          // the latest in front
}

// entry is a leaf that is made or being made. Its times are those of the
// certificate's clock, and are known before the leaf is.
type entry struct {
	key         [sha256.Size]byte
	from, until time.Time
	leaf        func() (*tls.Certificate, error)
}

func newCache(size int) *cache {
	return &cache{size: size, entries: map[[sha256.Size]byte]*list.Element{}, recent: list.New()}
}

// get returns the entry of key, and puts one that was made by create there
// first if there is none of use now. It does not wait for the leaf.
func (c *cache) get(key [sha256.Size]byte, now time.Time, create func() *entry) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.entries[key]; found != nil {
		// Before `from` only if the clock was set back.
		if e := found.Value.(*entry); !now.Before(e.from) && now.Before(e.until) {
			c.recent.MoveToFront(found)
			return e
		}
		c.remove(found)
	}
	for len(c.entries) >= c.size {
		c.remove(c.recent.Back())
	}
	e := create()
	e.key = key
	c.entries[key] = c.recent.PushFront(e)
	return e
}

// drop forgets e, unless another took its place already.
func (c *cache) drop(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.entries[e.key]; found != nil && found.Value == e {
		c.remove(found)
	}
}

func (c *cache) remove(el *list.Element) {
	delete(c.entries, el.Value.(*entry).key)
	c.recent.Remove(el)
}
