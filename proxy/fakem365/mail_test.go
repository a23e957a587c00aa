package fakem365_test

import (
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

const (
	scanner  = "Scanner@contoso.example"
	password = "Pa55 word"
	letter   = "From: Scanner <scanner@contoso.example>\r\nSubject: Scan\r\n\r\n.a page\r\n"
)

func accounts() fakem365.Accounts {
	return fakem365.Accounts{
		{Address: scanner, Password: password},
		{Address: "off@contoso.example", Password: password, SMTPDisabled: true},
	}
}

func scan() fakem365.Mail {
	return fakem365.Mail{
		User: scanner, Password: password, From: "scanner@contoso.example",
		To: []string{"one@contoso.example", "two@example.com"}, Data: []byte(letter),
	}
}

// refusal is the reply in err, or whatever else it says.
func refusal(err error) string {
	var reply *fakem365.ReplyError
	if errors.As(err, &reply) {
		return fmt.Sprintf("%s: %d %s", reply.Command, reply.Code, reply.Text)
	}
	return fmt.Sprint(err)
}

// converse goes through lines and what the replies to them begin with. An empty
// line is not sent. It returns the last reply without its code.
func converse(t *testing.T, text *textproto.Conn, script ...string) string {
	t.Helper()
	last := ""
	for turn := range slices.Chunk(script, 2) {
		if turn[0] != "" {
			// A chunk of BDAT does not end with a line.
			if err := write(text, turn[0]); err != nil {
				t.Fatal(err)
			}
		}
		code, message, err := text.ReadResponse(0)
		if err != nil {
			t.Fatalf("%.60q: %v", turn[0], err)
		}
		if got := fmt.Sprintf("%d %s", code, message); !strings.HasPrefix(got, turn[1]) {
			t.Fatalf("%.60q is answered %q, want %q", turn[0], got, turn[1])
		}
		last = message
	}
	return last
}

func write(text *textproto.Conn, line string) error {
	if !strings.HasPrefix(line, "BDAT ") {
		line += "\r\n"
	}
	if _, err := text.W.WriteString(line); err != nil {
		return err
	}
	return text.W.Flush()
}
