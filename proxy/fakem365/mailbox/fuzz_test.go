package mailbox

import (
	"bufio"
	"bytes"
	"net/textproto"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/fakem365"
)

// Whatever a client sends, each line has one answer, and nobody gets at a
// message without the password.
func FuzzPOP3Command(f *testing.F) {
	f.Add("CAPA\nUSER a@contoso.example\nPASS secret\nSTAT\nLIST\nRETR 1\nTOP 1 0\nDELE 1\nRSET\nQUIT")
	f.Add("USER a@contoso.example\nPASS secret\nTOP 1 99999999999\nLIST 0\nUIDL -1\nDELE 2\nRETR +1\nNOOP")
	f.Add(" \nuser\npass\ntop 1\nlist  1\n\x00\nPASS secret")
	f.Fuzz(func(t *testing.T, script string) {
		drops := &maildrops{
			options: Options{Accounts: fakem365.Accounts{{Address: "a@contoso.example", Password: "secret"}}},
			drops:   map[string][]*popMessage{},
		}
		_ = drops.deliver([]byte("Subject: x\r\n\r\n.hidden"))
		var out bytes.Buffer
		p := &popSession{drops: drops, secure: true, popReplies: popReplies{textproto.NewWriter(bufio.NewWriter(&out))}}
		for line := range strings.SplitSeq(script, "\n") {
			before := out.Len()
			p.command(line)
			answer := out.Bytes()[before:]
			if !bytes.HasPrefix(answer, []byte("+OK")) && !bytes.HasPrefix(answer, []byte("-ERR ")) ||
				!bytes.HasSuffix(answer, []byte("\r\n")) {
				t.Errorf("%q is answered %q", line, answer)
			}
		}
		if strings.Contains(out.String(), "hidden") && !strings.Contains(script, "secret") {
			t.Errorf("%q gets at a message", script)
		}
	})
}
