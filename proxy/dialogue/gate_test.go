package dialogue

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/smtptext"
)

// pieces is a client that has sent these, and keeps what it gets. A piece that begins with
// S: is what the destination sends at that time.
type pieces struct {
	net.Conn
	sent []string
	got  strings.Builder
	down net.Conn // the client as the destination sees it
}

func (c *pieces) Read(p []byte) (int, error) {
	for len(c.sent) > 0 {
		reply, is := strings.CutPrefix(c.sent[0], "S: ")
		if !is {
			break
		}
		c.sent = c.sent[1:]
		if _, err := c.down.Write([]byte(reply)); err != nil {
			return 0, err
		}
	}
	if len(c.sent) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.sent[0])
	if c.sent[0] = c.sent[0][n:]; c.sent[0] == "" {
		c.sent = c.sent[1:]
	}
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
		"one":               {"MAIL FROM:<a@b>\r\n|RCPT TO:<c>\r\n", "a@b", "MAIL FROM:<a@b>\r\nRCPT TO:<c>\r\n"},
		"refused":           {"NOOP\r\n|MAIL FROM:<no@b> SIZE=9\r\nRCPT TO:<c>\r\n|DATA\r\n", "no@b", "NOOP\r\n"},
		"two in one piece":  {"MAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<no@b>\r\n", "a@b no@b", "MAIL FROM:<a@b>\r\nRSET\r\n"},
		"after the content": {"DATA\r\n|S: 354 go\r\n|x\r\n.\r\nMAIL FROM:<no@b>\r\n", "no@b", "DATA\r\nx\r\n.\r\n"},
		"after a chunk":     {"BDAT 3 LAST\r\nabcMAIL FROM:<no@b>\r\n", "no@b", "BDAT 3 LAST\r\nabc"},
		"in the content":    {"DATA\r\n|S: 354 go\r\n|MAIL FROM:<no@b>\r\n.\r\n", "", "DATA\r\nMAIL FROM:<no@b>\r\n.\r\n"},
		"a line in parts":   {"MAIL FR|OM:<no@b>\r\nRSET\r\n", "no@b", ""},
		"content in parts":  {"DATA\r\n|S: 354 go\r\n|a\r|\n.\r|\nMAIL FROM:<no@b>\r\n", "no@b", "DATA\r\na\r\n.\r\n"},
		"an end in parts": {
			"DATA\r\n|S: 354 go\r\n|a\r\n|b\r\n.|\r\nMAIL FROM:<no@b>\r\n", "no@b", "DATA\r\na\r\nb\r\n.\r\n",
		},
		"a loose end in parts": {
			"DATA\r\n|S: 354 go\r\n|a\r\n|b\n.|\nMAIL FROM:<no@b>\r\n.\r\n", smtptext.SenderUnknown, "DATA\r\na\r\nb\n.\n",
		},
		"a tab":         {"MAIL\tFROM:<no@b>\r\n", "no@b", ""},
		"blanks before": {"  MAIL FROM:<no@b>\r\n", "no@b", ""},
		"many blanks":   {strings.Repeat(" ", 300) + "MAIL FROM:<no@b>\r\n", "no@b", ""},
		"small letters": {"mail from: no@b\r\n", "no@b", ""},
		"no end":        {"NOOP\r\nMAIL FROM:<a@b>", "", "NOOP\r\n"},
		// What follows DATA are commands if it is rejected, and who sends it all at once does
		// not wait for that.
		"DATA that is rejected":    {"DATA\r\n|S: 503 no\r\n|MAIL FROM:<no@b>\r\n", "no@b", "DATA\r\n"},
		"DATA without a reply":     {"DATA\r\nRSET\r\nMAIL FROM:<no@b>\r\n", smtptext.SenderUnknown, "DATA\r\n"},
		"the loose end of content": {"DATA\r\n|S: 354 go\r\n|x\n.\nMAIL FROM:<no@b>\r\n.\r\n", smtptext.SenderUnknown, "DATA\r\nx\n.\n"},
		"the loose end of content, and its reply": {"DATA\r\n|S: 354 go\r\n|x\n.\r\n|S: 250 ok\r\n|MAIL FROM:<no@b>\r\n.\r\n", "no@b",
			"DATA\r\nx\n.\r\n"},
		// Commands that servers read in different ways.
		"what is no size":           {"NOOP\r\nBDAT x\r\nMAIL FROM:<a@b>\r\n", smtptext.SenderUnknown, "NOOP\r\n"},
		"a size with a sign":        {"BDAT +9 LAST\r\nRSET\r\n", smtptext.SenderUnknown, ""},
		"a chunk with more words":   {"BDAT 9 LASTING\r\nRSET\r\n", smtptext.SenderUnknown, ""},
		"words beyond what is held": {"BDAT 9 LAST" + strings.Repeat(" ", 40) + "x\r\nRSET\r\n", smtptext.SenderUnknown, ""},
		"a carriage return":         {"NOOP\rMAIL FROM:<no@b>\r\n", smtptext.SenderUnknown, ""},
		"NUL":                       {"NOOP\x00MAIL FROM:<no@b>\r\n", smtptext.SenderUnknown, ""},
		"STARTTLS":                  {"STARTTLS\r\n", smtptext.SenderUnknown, ""},
		"a line that does not end":  {strings.Repeat("x", smtptext.MaxLine+1), smtptext.SenderUnknown, ""},
		"a quoted sender":           {"MAIL FROM:<\"a@b>\"@no>\r\n", smtptext.SenderUnknown, ""},
		"two senders":               {"MAIL FROM:a@b <no@b>\r\n", smtptext.SenderUnknown, ""},
		"no brackets at the end":    {"MAIL FROM:<a@b.no\r\n", smtptext.SenderUnknown, ""},
		"a long sender":             {"MAIL FROM:<" + strings.Repeat("x", 250) + "a@b.no>\r\n", strings.Repeat("x", 250) + "a@b.no", ""},
		"two carriage returns":      {"MAIL FROM:<a@b>\r\r\n", "a@b", "MAIL FROM:<a@b>\r\r\n"},
		"parameters":                {"MAIL FROM:<a@b> AUTH=<> SIZE=9\r\n", "a@b", "MAIL FROM:<a@b> AUTH=<> SIZE=9\r\n"},
		"no sender":                 {"MAIL FROM:<>\r\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // no reply comes, so that a refusal waits for settleTime
				s := New(record.ProtocolSMTP, false)
				var asked []string
				refused := 0
				s.Gate(Gate{
					Ask: func(sender string, _ bool) error {
						asked = append(asked, sender)
						if sender == "a@b" {
							return nil
						}
						return errRefused
					},
					Refuse: func(error) { refused++ },
				})
				client := &pieces{sent: strings.Split(tt.sent, "|")}
				client.down = s.Client(client)
				passed, err := io.ReadAll(client.down)
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
			Ask:    func(string, bool) error { return errRefused },
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

// A client that sends its mail at once has it relayed, in whatever way the destination
// answers its DATA.
func TestGateWaitsForDATA(t *testing.T) {
	t.Parallel()
	const envelope, rest = "MAIL FROM:<a@b>\r\nDATA\r\n", "RSET\r\nMAIL FROM:<no@b>\r\n.\r\nQUIT\r\n"
	for _, tt := range []struct{ reply, asked, passed string }{
		{"354 go\r\n", "a@b", envelope + rest},
		{"503 no\r\n", "a@b no@b", envelope + "RSET\r\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := New(record.ProtocolSMTP, false)
			client := &pieces{sent: []string{envelope + rest}}
			down := s.Client(client)
			var asked []string
			s.Gate(Gate{
				Ask: func(sender string, _ bool) error {
					asked = append(asked, sender)
					return map[string]error{"no@b": errRefused}[sender]
				},
				Refuse: func(error) {},
			})
			var passed []byte
			var err error
			ended := make(chan struct{})
			go func() {
				passed, err = io.ReadAll(down)
				close(ended)
			}()
			for _, reply := range []string{"250 ok\r\n", tt.reply} {
				synctest.Wait()
				if _, err := down.Write([]byte(reply)); err != nil {
					t.Fatal(err)
				}
			}
			<-ended
			if got := strings.Join(asked, " "); got != tt.asked || string(passed) != tt.passed {
				t.Errorf("%q: asked for %q, passed %q, %v", tt.reply, got, passed, err)
			}
		})
	}
}

// An AUTH does not reach the destination, whoever ends its line when. It is answered in
// its turn, and the session goes on.
func TestGateAnswersAUTH(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(record.ProtocolSMTP, false)
		client := &pieces{sent: []string{"NOOP\r\nAUTH PLAIN AHgA", "eQ==\r\n auth login\r\nNOOP\r\n"}}
		down := s.Client(client)
		s.Gate(Gate{AuthAgain: func() error { _, err := client.Write([]byte("503 no\r\n")); return err }})
		var passed []byte
		ended := make(chan struct{})
		go func() {
			passed, _ = io.ReadAll(down)
			close(ended)
		}()
		if synctest.Wait(); client.got.Len() > 0 {
			t.Error("answered before its turn")
		}
		if _, err := down.Write([]byte("250 ok\r\n")); err != nil {
			t.Fatal(err)
		}
		<-ended
		if got := client.got.String(); got != "250 ok\r\n503 no\r\n503 no\r\n" || string(passed) != "NOOP\r\nNOOP\r\n" {
			t.Errorf("the client has got %q, and %q has passed", got, passed)
		}
	})
}

// late is a client whose second read takes too long.
type late struct {
	net.Conn
	reads int
}

func (c *late) Read(p []byte) (int, error) {
	c.reads++
	switch c.reads {
	case 1:
		return copy(p, "NO"), nil
	case 2:
		return 0, os.ErrDeadlineExceeded
	}
	return copy(p, "OP\r\n"), nil
}

// A read that has taken too long leaves what has arrived of a command.
func TestGateAfterDeadline(t *testing.T) {
	t.Parallel()
	s := New(record.ProtocolSMTP, false)
	down := s.Client(&late{})
	s.Gate(Gate{})
	p := make([]byte, 9)
	if n, err := down.Read(p); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v", p[:n], err)
	}
	if n, err := down.Read(p); err != nil || string(p[:n]) != "NOOP\r\n" {
		t.Errorf("got %q, %v", p[:n], err)
	}
}
