package signin

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden is what a secret looks like.
const hidden = "[secret]"

// A Secret is a text that nothing prints. The zero value is none.
type Secret struct {
	// value is behind a pointer, because fmt reads fields that are not exported
	// without asking their methods.
	value *string
}

// NewSecret returns a secret.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the text; empty if there is none.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is none.
func (s Secret) IsZero() bool { return s.value == nil }

// Format writes nothing of the text, for any verb.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, hidden) }

// String returns nothing of the text.
func (s Secret) String() string { return hidden }

// GoString returns nothing of the text.
func (s Secret) GoString() string { return hidden }

// LogValue returns nothing of the text.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns nothing of the text, for JSON and others.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
