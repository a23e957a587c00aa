package clientlist

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tlslift/tlslift/metrics/statuspage"
)

// No text of a hostile answer moves the cursor, not even the zone of an address.
func TestTableHasNoEscapes(t *testing.T) {
	t.Parallel()
	var answer statuspage.Clients
	text := `{"clients":[{"client":"a\u001b[2J","address":"fe80::1%\u001b]0;owned\u0007","state":"failing\u001b[1m","offered":"\u009b1m",` +
		`"destinations":["x\u202e"],"failure":{"reason":"\u001b[3m","cause":"\u001b[4m","remedy":"\u001b[5m"}}]}`
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Print(&out, answer.Clients, time.Now()); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(out.String(), func(r rune) bool { return unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Cf, r) }) {
		t.Errorf("printed %q", out.String())
	}
	if !strings.Contains(out.String(), "fe80::1") {
		t.Errorf("the address is missing in %q", out.String())
	}
}
