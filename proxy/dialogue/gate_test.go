package dialogue

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
)

// pieces is a client that has sent these, and keeps what it gets.
type pieces struct {
	net.Conn
	sent []string
	got  strings.Builder
}

func (c *pieces) Read(p []byte) (int, error) {
	if len(c.sent) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.sent[0])
	c.sent = c.sent[1:]
	return n, nil
}

func (c *pieces) Write(p []byte) (int, error) { return c.got.Write(p) }

var errRefused = errors.New("refused")

// Each mail is asked for before its MAIL passes, however a client has sent it, and
// nothing passes from a refused one on. What comes before it does.
func TestGate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sent   string // pieces are separated by |
		asked  string
		passed string
	}{
		"one":                    {"MAIL FROM:<a@b>\r\n|RCPT TO:<c>\r\n", "a@b", "MAIL FROM:<a@b>\r\nRCPT TO:<c>\r\n"},
		"refused":                {"NOOP\r\n|MAIL FROM:<no@b> SIZE=9\r\nRCPT TO:<c>\r\n|DATA\r\n", "no@b", "NOOP\r\n"},
		"two in one piece":       {"MAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<no@b>\r\n", "a@b no@b", "MAIL FROM:<a@b>\r\nRSET\r\n"},
		"after the content":      {"DATA\r\n|x\r\n.\r\nMAIL FROM:<no@b>\r\n", "no@b", "DATA\r\nx\r\n.\r\n"},
		"after a chunk":          {"BDAT 3 LAST\r\nabcMAIL FROM:<no@b>\r\n", "no@b", "BDAT 3 LAST\r\nabc"},
		"in the content":         {"DATA\r\n|MAIL FROM:<no@b>\r\n.\r\n", "", "DATA\r\nMAIL FROM:<no@b>\r\n.\r\n"},
		"a line in parts":        {"MAIL FR|OM:<no@b>\r\nRSET\r\n", "no@b", "MAIL FR"},
		"a tab":                  {"MAIL\tFROM:<no@b>\r\n", "no@b", ""},
		"blanks before":          {"  MAIL FROM:<no@b>\r\n", "no@b", ""},
		"after AUTH":             {"AUTH LOGIN\r\nMAIL FROM:<no@b>\r\n", "no@b", "AUTH LOGIN\r\n"},
		"small letters":          {"mail from: no@b\r\n", "no@b", ""},
		"what is not understood": {"NOOP\r\nBDAT x\r\nMAIL FROM:<a@b>\r\n", SenderUnknown, "NOOP\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // no reply comes, so that a refusal waits for settleTime
				s := New(record.ProtocolSMTP, false)
				var asked []string
				refused := 0
				s.Gate(Gate{
					Ask: func(sender string) error {
						asked = append(asked, sender)
						if sender == "a@b" {
							return nil
						}
						return errRefused
					},
					Refuse: func(error) { refused++ },
				})
				passed, err := io.ReadAll(s.Client(&pieces{sent: strings.Split(tt.sent, "|")}))
				if got := strings.Join(asked, " "); got != tt.asked {
					t.Errorf("asked for %q, want %q", got, tt.asked)
				}
				if string(passed) != tt.passed {
					t.Errorf("%q has passed, want %q", passed, tt.passed)
				}
				isRefused := len(asked) > 0 && asked[len(asked)-1] != "a@b"
				if errors.Is(err, errRefused) != isRefused || refused != map[bool]int{true: 1}[isRefused] {
					t.Errorf("ended by %v, refused %d times", err, refused)
				}
			})
		})
	}
}

// A client has the replies to all that it has said before its mail is refused.
func TestGateRefusesInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(record.ProtocolSMTP, false)
		client := &pieces{sent: []string{"NOOP\r\nRSET\r\nMAIL FROM:<no@b>\r\nRCPT TO:<c>\r\n"}}
		down := s.Client(client)
		isRefused := false
		s.Gate(Gate{
			Ask:    func(string) error { return errRefused },
			Refuse: func(error) { isRefused = true; _, _ = client.Write([]byte("550 no\r\n")) },
		})
		ended := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(down)
			ended <- err
		}()
		began := time.Now()
		for _, reply := range []string{"250 first\r\n", "250 second\r\n"} {
			if synctest.Wait(); isRefused {
				t.Error("refused before its turn")
			}
			if _, err := down.Write([]byte(reply)); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-ended; !errors.Is(err, errRefused) || time.Since(began) > 0 {
			t.Errorf("ended by %v after %s", err, time.Since(began))
		}
		if got := client.got.String(); got != "250 first\r\n250 second\r\n550 no\r\n" {
			t.Errorf("the client has got %q", got)
		}
		if n, err := down.Read(make([]byte, 9)); n != 0 || !errors.Is(err, errRefused) {
			t.Errorf("then %d bytes pass, %v", n, err)
		}
	})
}
