package metrics

import "sync"

// limited keeps one value for each of at most max keys, first come, first
// served. Guests are keys that anyone can make up; they get at most maxGuests
// of the places.
type limited[K comparable, V any] struct {
	max, maxGuests int
	create         func(K) V

	mu     sync.RWMutex
	values map[K]V
	guests int
}

func newLimited[K comparable, V any](max, maxGuests int, create func(K) V) *limited[K, V] {
	return &limited[K, V]{max: max, maxGuests: maxGuests, create: create, values: make(map[K]V)}
}

// get returns the value of key, creating it if there is a place left; false
// says that there was none.
func (l *limited[K, V]) get(key K, guest bool) (V, bool) {
	l.mu.RLock()
	v, ok := l.values[key]
	l.mu.RUnlock()
	if ok {
		return v, true
	}
	return l.admit(key, guest)
}

func (l *limited[K, V]) admit(key K, guest bool) (V, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.values[key]
	if ok {
		return v, true
	}
	if len(l.values) >= l.max || guest && l.guests >= l.maxGuests {
		return v, false
	}
	if guest {
		l.guests++
	}
	v = l.create(key)
	l.values[key] = v
	return v, true
}

func (l *limited[K, V]) len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.values)
}
