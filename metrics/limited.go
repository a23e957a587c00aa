package metrics

import "sync"

// limited keeps one value for each of at most max keys, first come, first
// served. Guests are keys that anyone can make up; they get at most maxGuests
// of the places.
type limited[K comparable, V any] struct {
	max, maxGuests int
	create         func(K) V

	mu     sync.RWMutex
	places map[K]place[V]
	guests int
}

type place[V any] struct {
	value V
	guest bool
}

func newLimited[K comparable, V any](max, maxGuests int, create func(K) V) *limited[K, V] {
	return &limited[K, V]{max: max, maxGuests: maxGuests, create: create, places: make(map[K]place[V])}
}

// get returns the value of key, creating it if there is a place left; false
// says that there was none.
func (l *limited[K, V]) get(key K, guest bool) (V, bool) {
	l.mu.RLock()
	p, ok := l.places[key]
	l.mu.RUnlock()
	if ok {
		return p.value, true
	}
	return l.admit(key, guest)
}

func (l *limited[K, V]) admit(key K, guest bool) (V, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.places[key]
	if ok {
		return p.value, true
	}
	if len(l.places) >= l.max || guest && l.guests >= l.maxGuests {
		return p.value, false
	}
	if guest {
		l.guests++
	}
	p = place[V]{l.create(key), guest}
	l.places[key] = p
	return p.value, true
}

// drop takes away the places of the values that are done, and returns these
// and those that stay.
func (l *limited[K, V]) drop(done func(V) bool) (gone, stay []V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, p := range l.places {
		if !done(p.value) {
			stay = append(stay, p.value)
			continue
		}
		gone = append(gone, p.value)
		delete(l.places, key)
		if p.guest {
			l.guests--
		}
	}
	return gone, stay
}

func (l *limited[K, V]) len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.places)
}
