package metrics

import "sync"

// A boundedMap keeps one value for each of at most max keys: the first ones that
// come. Untrusted keys are those that anyone can invent; they get at most
// maxUntrusted of the entries.
type boundedMap[K comparable, V any] struct {
	max, maxUntrusted int
	create            func(K) V

	mu        sync.RWMutex
	entries   map[K]entry[V]
	untrusted int // entries with untrusted keys
}

type entry[V any] struct {
	value     V
	untrusted bool
}

func newBoundedMap[K comparable, V any](max, maxUntrusted int, create func(K) V) *boundedMap[K, V] {
	return &boundedMap[K, V]{max: max, maxUntrusted: maxUntrusted, create: create, entries: make(map[K]entry[V])}
}

// get returns the value of key, and creates it if the map is not full; false
// means that it is.
func (b *boundedMap[K, V]) get(key K, untrusted bool) (V, bool) {
	b.mu.RLock()
	e, ok := b.entries[key]
	b.mu.RUnlock()
	if ok {
		return e.value, true
	}
	return b.add(key, untrusted)
}

func (b *boundedMap[K, V]) add(key K, untrusted bool) (V, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[key]
	if ok {
		return e.value, true
	}
	if len(b.entries) >= b.max || untrusted && b.untrusted >= b.maxUntrusted {
		return e.value, false
	}
	if untrusted {
		b.untrusted++
	}
	e = entry[V]{b.create(key), untrusted}
	b.entries[key] = e
	return e.value, true
}
