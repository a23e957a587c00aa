package endpoints

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	minWait   = time.Hour
	maxWait   = 24 * time.Hour
	maxJitter = minWait / 5
)

// interval is the time between two questions.
func interval() time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never returns an error
	return minWait + time.Duration(binary.LittleEndian.Uint32(b[:]))%maxJitter
}

// isID reports whether s is a UUID in its usual form (RFC 9562 section 4).
func isID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// isVersion reports whether s has the form YYYYMMDDNN. Versions of that form can
// be compared as text.
func isVersion(s string) bool {
	return len(s) == 10 && strings.Trim(s, "0123456789") == ""
}
