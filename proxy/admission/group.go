package admission

import (
	"container/list"
	"net/netip"
)

// A groupKey identifies a group: addresses that count as one client, under one name in
// the clients file or under none.
type groupKey struct {
	name  string
	addrs netip.Prefix
}

// A group has the places of the connections that count together.
type group struct {
	key groupKey
	// Both are lists of *Place, the oldest first.
	waiting list.List // those that have not got past their hello
	settled list.List
	index   int // in the crowd
}

// size returns how many places the group has; nil has none.
func (g *group) size() int {
	if g == nil {
		return 0
	}
	return g.waiting.Len() + g.settled.Len()
}

// A crowd is a heap of groups; first is the one that has to give way. It implements
// heap.Interface.
type crowd []*group

// Len implements heap.Interface.
func (c crowd) Len() int { return len(c) }

// Less puts the group first that has the most connections before their hello, and of
// equal ones the one with the oldest; among groups without such, the largest.
func (c crowd) Less(i, j int) bool {
	a, b := c[i], c[j]
	switch {
	case a.waiting.Len() != b.waiting.Len():
		return a.waiting.Len() > b.waiting.Len()
	case a.waiting.Len() > 0:
		return a.waiting.Front().Value.(*Place).number < b.waiting.Front().Value.(*Place).number
	}
	return a.size() > b.size()
}

// Swap implements heap.Interface.
func (c crowd) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	c[i].index, c[j].index = i, j
}

// Push implements heap.Interface.
func (c *crowd) Push(g any) {
	added := g.(*group)
	added.index = len(*c)
	*c = append(*c, added)
}

// Pop implements heap.Interface.
func (c *crowd) Pop() any {
	last := (*c)[len(*c)-1]
	(*c)[len(*c)-1] = nil
	*c = (*c)[:len(*c)-1]
	return last
}
