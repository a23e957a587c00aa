package endpoints

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
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

// newID returns a random UUID, version 4 (RFC 9562 section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never returns an error
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// isID says whether s has the form of a UUID.
func isID(s string) bool {
	parts := strings.Split(s, "-")
	if len(s) != 36 || len(parts) != 5 {
		return false
	}
	for i, digits := range []int{8, 4, 4, 4, 12} {
		if _, err := hex.DecodeString(parts[i]); err != nil || len(parts[i]) != digits {
			return false
		}
	}
	return true
}

// isVersion says whether s has the form YYYYMMDDNN. Versions of that form can
// be compared as text.
func isVersion(s string) bool {
	return len(s) == 10 && strings.Trim(s, "0123456789") == ""
}
