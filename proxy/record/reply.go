package record

import "strings"

// An SMTPReply is a reply code with its enhanced status code (RFC 3463), and how
// often it came.
type SMTPReply struct {
	Code     string // as in "550"
	Enhanced string // as in "5.7.60"; empty when there was none
	Count    int
}

// String returns the codes alone.
func (r SMTPReply) String() string { return strings.TrimSpace(r.Code + " " + r.Enhanced) }
