package m365

import (
	"fmt"
	"slices"
	"time"
)

// A List is what Microsoft has published for one instance, without what tlslift
// omits, and the supplements of the built-in table. The zero value has
// nothing, and NewFrom refuses it.
type List struct {
	instance  Instance
	version   string // of the web service; empty for the built-in table
	published time.Time
	rows      []row
	omissions []Omission
}

// An Omission is a host of a published list that tlslift does not allow.
type Omission struct {
	Host string // as published, shortened
	Row  int    // the row's id
	Why  string // completes "it is left out because "
	// Known says that the built-in table omits it as well, on purpose.
	Known bool
}

// BuiltIn returns the list that tlslift was built with.
func BuiltIn(instance Instance) (List, error) {
	instance = Instance(instance.String())
	of, err := builtIn(instance)
	if err != nil {
		return List{}, err
	}
	l := List{instance: instance, rows: of.Rows}
	if of.Published == "" {
		return l, nil
	}
	if l.published, err = time.Parse(time.DateOnly, of.Published); err != nil {
		return List{}, fmt.Errorf("reading the table of Microsoft 365 endpoints: %w", err)
	}
	return l, nil
}

// Instance returns the instance that the list is for.
func (l List) Instance() Instance { return l.instance }

// Version returns the web service's name of the list, or nothing for the
// built-in one.
func (l List) Version() string { return l.version }

// Published returns the day on which Microsoft published the list; zero if
// that is not known of the built-in one.
func (l List) Published() time.Time { return l.published }

// Omissions returns the hosts that are omitted from a list of the web service, in
// its order. Those of optional rows are not among them.
func (l List) Omissions() []Omission { return slices.Clone(l.omissions) }

// String says which list it is: "built in, published 2026-08-14" or "version
// 2026112400".
func (l List) String() string {
	switch {
	case l.version != "":
		return "version " + l.version
	case l.published.IsZero():
		return "built in"
	default:
		return "built in, published " + l.published.Format(time.DateOnly)
	}
}
