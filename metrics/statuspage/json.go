package statuspage

import (
	"bytes"
	"encoding/json"
	"net/http"
	"unicode/utf16"
)

func apiError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"error": text})
}

// writeJSON writes plain ASCII, so that the answer is harmless on a terminal too.
func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(inASCII(text), '\n')) // an error means that the peer has closed the connection
}

// inASCII escapes the characters of a JSON text that are not ASCII (RFC 8259 section
// 7). They are only in strings.
func inASCII(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r < 0x7f:
			b.WriteRune(r)
		case r < 0x10000:
			writeUnit(&b, r)
		default:
			high, low := utf16.EncodeRune(r)
			writeUnit(&b, high)
			writeUnit(&b, low)
		}
	}
	return b.Bytes()
}

func writeUnit(b *bytes.Buffer, unit rune) {
	const digits = "0123456789abcdef"
	b.WriteString(`\u`)
	for shift := 12; shift >= 0; shift -= 4 {
		b.WriteByte(digits[unit>>shift&0xf])
	}
}
