package policy

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// A span is a range of ports, both ends included.
type span struct{ first, last uint16 }

// Ports are the allowed ports of a pattern.
type Ports []span

// ParsePorts reads ports as Microsoft publishes them: numbers and ranges,
// comma-separated, with or without spaces.
func ParsePorts(list string) (Ports, error) {
	var all Ports
	for item := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(item), "-")
		if !isRange {
			high = low
		}
		first, ok1 := parsePort(low)
		last, ok2 := parsePort(high)
		if !ok1 || !ok2 || first > last {
			return nil, fmt.Errorf("%q is not a port or a range of ports from 1 to 65535", item)
		}
		all = append(all, span{first, last})
	}
	return all.sorted(), nil
}

// sorted returns p in order, without overlaps.
func (p Ports) sorted() Ports {
	in := slices.SortedFunc(slices.Values(p), func(a, b span) int {
		return cmp.Compare(a.first, b.first)
	})
	var out Ports
	for _, s := range in {
		if n := len(out); n > 0 && s.first <= out[n-1].last {
			out[n-1].last = max(out[n-1].last, s.last)
			continue
		}
		out = append(out, s)
	}
	return out
}

// Contain reports whether a port is among them.
func (p Ports) Contain(port uint16) bool {
	for _, s := range p {
		if s.first <= port && port <= s.last {
			return true
		}
	}
	return false
}

// All returns the ports one by one.
func (p Ports) All() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for _, s := range p {
			for port := int(s.first); port <= int(s.last); port++ {
				if !yield(uint16(port & 0xffff)) {
					return
				}
			}
		}
	}
}

// String returns the ports as ParsePorts reads them.
func (p Ports) String() string {
	items := make([]string, 0, len(p))
	for _, s := range p {
		item := strconv.Itoa(int(s.first))
		if s.last > s.first {
			item += "-" + strconv.Itoa(int(s.last))
		}
		items = append(items, item)
	}
	return strings.Join(items, ",")
}
