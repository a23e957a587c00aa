package record

import "strings"

// An SMTPReply is a reply code with its enhanced status code (RFC 3463), and how
// often it came.
type SMTPReply struct {
	Code     string // for example "550"
	Enhanced string // for example "5.7.60"; empty when there was none
	Count    int
}

// String returns the codes alone.
func (r SMTPReply) String() string { return strings.TrimSpace(r.Code + " " + r.Enhanced) }
