package inventory

import "github.com/tlslift/tlslift/proxy/netname"

const (
	maxText   = 255
	maxDetail = 1024 // an error may name many cipher suites
)

// clean returns a text that a client may have chosen so that it can be kept and
// shown.
func clean(s string) string { return netname.Text(s, maxText) }
