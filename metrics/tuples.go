package metrics

import "strings"

// maxTuples is how many combinations of label values a client has in one counter. What is
// above that has other in the place of labels of which the sum matters less: the client
// in the failures, whose sum for each reason stays exact; all but client and outcome in the
// other counters, whose sum for each client stays exact.
const maxTuples = 16

// tuples are the label values that a client has in its counters.
type tuples map[metric]map[string]bool

// has reports whether a client has these label values in a counter, or may have them from
// now on. What several clients share may have all: they are bounded anyway.
func (c *client) has(of metric, values ...string) bool {
	if c.label == other || c.label == unknown {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.Join(values, "\x00") // no label has a NUL
	known := c.tuples[of]
	switch {
	case known[key]:
		return true
	case len(known) >= maxTuples:
		return false
	case known == nil:
		known = map[string]bool{}
		if c.tuples == nil {
			c.tuples = tuples{}
		}
		c.tuples[of] = known
	}
	known[key] = true
	return true
}
