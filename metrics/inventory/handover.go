package inventory

import "github.com/tlslift/tlslift/metrics/burndown"

// A State is what an inventory keeps between runs.
type State struct {
	Clients []Client
	Days    []burndown.Day
}

// StateOf returns what an inventory keeps now.
func StateOf(v *Inventory) State { return State{Clients: v.Snapshot(), Days: v.Days()} }

// Encode returns what a Store is given to save, which another process then loads.
func (s State) Encode() []byte { return encode(s.Clients, s.Days) }
