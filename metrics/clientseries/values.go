package clientseries

import (
	"slices"
	"strings"
	"sync"
)

// maxValues is how many values of labels there are at most. It is a second bound: the
// values come from sets that are far smaller.
const maxValues = 1 << 14

// A Value is the value of a label, as a number.
type Value uint16

// values has the text of each value.
type values struct {
	mu      sync.RWMutex
	of      map[string]Value
	texts   []string // by value
	escaped []string // the same, as written
	ranks   []Value  // of each in the order of the texts; made when needed
}

// Value returns the number of a value. When there are too many, it is that of "other".
func (t *Table) Value(text string) Value {
	v := &t.values
	v.mu.RLock()
	n, known := v.of[text]
	v.mu.RUnlock()
	if known {
		return n
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if n, known = v.of[text]; known || len(v.texts) >= maxValues {
		return n
	}
	n = Value(len(v.texts)) //nolint:gosec // maxValues at most
	text = strings.Clone(text)
	v.of[text] = n
	v.texts = append(v.texts, text)
	v.escaped = append(v.escaped, escaped(text))
	return n
}

// A snapshot has all values of a moment, which do not change any more.
type snapshot struct {
	texts, escaped []string
	ranks          []Value
}

func (v *values) snapshot() snapshot {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.ranks) != len(v.texts) {
		byText := make([]Value, len(v.texts))
		for i := range byText {
			byText[i] = Value(i)
		}
		slices.SortFunc(byText, func(a, b Value) int { return strings.Compare(v.texts[a], v.texts[b]) })
		v.ranks = make([]Value, len(v.texts))
		for rank, n := range byText {
			v.ranks[n] = Value(rank)
		}
	}
	return snapshot{v.texts, v.escaped, v.ranks}
}

// labelEscapes are those of both text formats.
var labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func escaped(s string) string { return labelEscapes.Replace(s) }
