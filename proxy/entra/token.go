package entra

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// A Token is an access token. However it is printed, logged or encoded, its value
// does not show.
type Token struct {
	Value   string
	Expires time.Time
	// Roles are the permissions in it, for example SMTP.SendAsApp or SMTP.Send; nil if it
	// cannot be read.
	Roles []string
}

const hidden = "[token]"

// String returns a word in place of the token.
func (t Token) String() string { return hidden }

// GoString returns a word in place of the token.
func (t Token) GoString() string { return hidden }

// Format writes a word in place of the token, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue returns a word in place of the token.
func (t Token) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns a word in place of the token.
func (t Token) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON returns a word in place of the token.
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// lacks reports whether the token has other permissions than the one that is needed. One
// without any may be good: Exchange can permit an application by roles of its own.
func (t Token) lacks(permission string) bool { return len(t.Roles) > 0 && !t.names(permission) }

// names reports whether the token has a permission, as far as that can be read.
func (t Token) names(permission string) bool {
	return permission == "" || t.Roles == nil || slices.Contains(t.Roles, permission)
}

// rolesOf reads the permissions of a token, without a look at its signature: they
// are only for telling what is missing. Nil means that the token is not one that
// can be read, and that is no error: tokens are for the destination to read.
func rolesOf(token string) []string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	content, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims struct {
		Roles []string `json:"roles"`
		Scope string   `json:"scp"`
	}
	if json.Unmarshal(content, &claims) != nil {
		return nil
	}
	return append(append([]string{}, claims.Roles...), strings.Fields(claims.Scope)...)
}
