package m365

import (
	"fmt"
	"slices"
	"strings"
)

// An Instance is one of the separate clouds in which Microsoft 365 is offered.
// The zero value means Worldwide.
type Instance string

// The instances.
const (
	Worldwide Instance = "worldwide" // also GCC
	GCCHigh   Instance = "gcchigh"   // US Government GCC High
	DoD       Instance = "dod"       // US Department of Defense
	China     Instance = "china"     // operated by 21Vianet
)

// Instances returns every instance.
func Instances() []Instance {
	return []Instance{Worldwide, GCCHigh, DoD, China}
}

// String returns the instance's name, also of the zero value.
func (i Instance) String() string {
	if i == "" {
		return string(Worldwide)
	}
	return string(i)
}

// UnmarshalText reads an instance's name in any case; nothing at all means
// Worldwide.
func (i *Instance) UnmarshalText(text []byte) error {
	named := Instance(strings.ToLower(Instance(text).String()))
	if !slices.Contains(Instances(), named) {
		return unknownInstance(string(text))
	}
	*i = named
	return nil
}

func unknownInstance(name string) error {
	var choices []string
	for _, i := range Instances() {
		choices = append(choices, string(i))
	}
	return fmt.Errorf("no such Microsoft 365 instance %q: choose one of %s", name, strings.Join(choices, ", "))
}
