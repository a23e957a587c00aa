package inventory

import (
	"fmt"
	"slices"

	"github.com/tlslift/tlslift/proxy/spelling"
)

// Forget removes a client and its connections, and reports whether there was one. It
// comes back when it connects again.
func (v *Inventory) Forget(key string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	e, ok := v.clients.byKey[key]
	if !ok {
		return false
	}
	v.clients.remove(e)
	v.latest.set(slices.DeleteFunc(v.latest.inOrder(), func(k kept) bool { return k.client == key }))
	v.unsaved, v.fresh = true, true
	return true
}

// NoSuchClient says that none of the clients has a name, and which one was probably meant.
func NoSuchClient(key string, all []Client) string {
	text := fmt.Sprintf("no client is called %q", clean(key))
	names := make([]string, 0, len(all))
	for _, c := range all {
		if c.Address.String() == key {
			return fmt.Sprintf("%s; the client with this address is called %q", text, c.Client)
		}
		names = append(names, c.Client)
	}
	if len(key) <= maxText { // comparing longer ones would take long
		if near := spelling.Nearest(key, names); near != "" {
			return fmt.Sprintf("%s; did you mean %q?", text, near)
		}
	}
	return text + "; tlslift clients and /api/v1/clients list all"
}
