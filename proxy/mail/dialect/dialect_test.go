package dialect

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

var protocols = []record.Protocol{record.ProtocolSMTP, record.ProtocolIMAP, record.ProtocolPOP3}

// What a command means before TLS, and what of it is forwarded.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		protocol record.Protocol
		line     string
		kind     Kind
		forward  string
		unsafe   bool
	}{
		{record.ProtocolSMTP, " ehlo 2nd floor <HP>", Hello, "EHLO 2nd-floor-HP", false},
		{record.ProtocolSMTP, "EHLO [IPv6:fd00::9]", Hello, "EHLO [IPv6:fd00::9]", false},
		{record.ProtocolSMTP, "STARTTLS now", BadSyntax, "STARTTLS", false},
		{record.ProtocolSMTP, "\u017ftarttls", Other, "\u017fTARTTLS", false},
		{record.ProtocolIMAP, "a1 capab\u0131lity", Other, "a1 CAPAB\u0131LITY", false},
		{record.ProtocolPOP3, "\u017ftls", Other, "\u017fTLS", false},
		{record.ProtocolSMTP, "AUTH PLAIN AGEAYg==", Other, "AUTH", false},
		{record.ProtocolSMTP, "bdat 5 LAST", Other, "BDAT", true},
		{record.ProtocolIMAP, "a1 capability", Harmless, "a1 CAPABILITY", false},
		{record.ProtocolIMAP, "a1 NOOP {3+}", BadSyntax, "a1 NOOP", true},
		{record.ProtocolIMAP, "a1 ID {3+}", Other, "a1 ID", true},
		{record.ProtocolIMAP, "a1 LOGIN {3}", Other, "a1 LOGIN", false},
		{record.ProtocolIMAP, "* OK", BadSyntax, "* OK", false},
		{record.ProtocolPOP3, "stls", StartTLS, "STLS", false},
		{record.ProtocolPOP3, "PASS secret", Other, "PASS", false},
	} {
		got := Of(tt.protocol).Parse([]byte(tt.line))
		if got.Kind != tt.kind || got.Line != tt.forward || got.Unsafe != tt.unsafe {
			t.Errorf("%s %q: %+v", tt.protocol, tt.line, got)
		}
	}
}

// A destination says in one reply that it closes the session. Half a reply of SMTP does
// not say so yet.
func TestCloses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		protocol record.Protocol
		reply    string
		want     bool
	}{
		{record.ProtocolSMTP, "421 4.3.2 later", true},
		{record.ProtocolSMTP, "421", true},
		{record.ProtocolSMTP, "421-4.3.2 later\n421 bye", true},
		{record.ProtocolSMTP, "421-4.3.2 later", false},
		{record.ProtocolSMTP, "550 no", false},
		{record.ProtocolIMAP, "* bye too many", true},
		{record.ProtocolIMAP, "* BYE\na OK", false},
		{record.ProtocolIMAP, "421 later", false},
		{record.ProtocolPOP3, "-ERR later", false},
	} {
		if got := Of(tt.protocol).Closes(Reply{Lines: bytes.Split([]byte(tt.reply), []byte("\n"))}); got != tt.want {
			t.Errorf("%s %q: %t", tt.protocol, tt.reply, got)
		}
	}
	for _, p := range protocols {
		if Of(p).Closes(Reply{}) {
			t.Errorf("%s: no line closes the session", p)
		}
	}
}

// Whatever is sent, only whole lines without a secret go on, and a reply is adapted to
// one that has the same end.
func FuzzDialect(f *testing.F) {
	f.Add(uint8(0), "EHLO <a b>", "250-mx\n250-AUTH LOGIN\n250 SIZE 9")
	f.Add(uint8(1), "a CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\na OK [CAPABILITY X] done")
	f.Add(uint8(2), "CAPA", "+OK\nUSER\nSASL PLAIN\n.")
	f.Fuzz(func(t *testing.T, protocol uint8, said, replied string) {
		if strings.ContainsAny(said, "\r\n") {
			return
		}
		d := Of(protocols[protocol%3])
		cmd := d.Parse([]byte(said))
		if strings.ContainsAny(cmd.Line, "\r\n") || cmd.Kind == Harmless && cmd.Verb == "AUTH" {
			t.Errorf("%q is forwarded as %q", said, cmd.Line)
		}
		for _, answer := range []string{
			d.GoAhead(cmd), d.NoPlaintext(cmd), d.SyntaxError(cmd), d.LoginRequired(cmd), d.MalformedLogin(cmd), d.StartTLSTooLate(cmd),
		} {
			if strings.Count(answer, "\n") != 1 || !strings.HasSuffix(answer, "\r\n") {
				t.Errorf("%q is answered %q", said, answer)
			}
		}
		r := Reply{}
		for line := range strings.SplitSeq(replied, "\n") {
			r.Lines = append(r.Lines, []byte(line))
			last, ok, err := d.Done(cmd, []byte(line), len(r.Lines))
			if err != nil {
				return
			}
			if r.OK = ok; last {
				break
			}
			if line == replied {
				return
			}
		}
		if last, _, _ := d.Done(cmd, r.last(), len(r.Lines)); !last {
			return
		}
		for _, shown := range []Reply{d.OfferLogins(cmd, r, true), d.Adapt(cmd, r, false)} {
			if bytes.Count(shown.Bytes(), []byte("\n")) != len(shown.Lines) || shown.OK != r.OK {
				t.Errorf("%q becomes %q", r.Bytes(), shown.Bytes())
			}
		}
	})
}

// read gives Arguments a command and what follows its literals.
func read(line string, literals ...string) ([]string, error) {
	var a Arguments
	cmd := imap{}.Parse([]byte(line))
	literal, err := a.Command(cmd, line)
	for ; literal != nil; literals = literals[1:] {
		if len(literals) == 0 || len(literals[0]) < literal.Size {
			return nil, errors.New("a literal is missing")
		}
		literal, err = a.Literal(literals[0][:literal.Size], literals[0][literal.Size:])
	}
	return a.Strings, err
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line     string
		literals []string
		want     []string
	}{
		{"a LOGIN me secret", nil, []string{"me", "secret"}},
		{`  a login  "m e"  "se\"cr\\et" `, nil, []string{"m e", `se"cr\et`}},
		{"a LOGIN {2}", []string{"me {6+}", "secret"}, []string{"me", "secret"}},
		{"a LOGIN me {3}", []string{"{2}"}, []string{"me", "{2}"}},
		{`a LOGIN "" {0}`, []string{""}, []string{"", ""}},
		{"a LOGIN me pass{2}", nil, []string{"me", "pass{2}"}},
	} {
		if got, err := read(tt.line, tt.literals...); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, %v", tt.line, got, err)
		}
	}
	for _, line := range []string{
		"a LOGIN", "a LOGIN me", `a LOGIN me "secret`, "a LOGIN me secret more", "a LOGIN me secret {5+}", "a LOGIN {2} ",
	} {
		if _, err := read(line, "me {2}", "ab {2}", "cd"); !errors.Is(err, ErrArguments) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestMechanism(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{
		"AUTH": {}, "auth plain": {"PLAIN"}, "AUTH  LOGIN\t= x": {"LOGIN", "="}, "AUTH PLAIN AGEAYg==": {"PLAIN", "AGEAYg=="},
	} {
		if name, initial := Mechanism(smtp{}.Parse([]byte(line)), line); name != want[0] || initial != want[1] {
			t.Errorf("%q: %q, %q", line, name, initial)
		}
		tagged := "a1 AUTHENTICATE" + line[len("AUTH"):]
		if name, initial := Mechanism(imap{}.Parse([]byte(tagged)), tagged); name != want[0] || initial != want[1] {
			t.Errorf("%q: %q, %q", tagged, name, initial)
		}
	}
}

func TestArgument(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{"PASS": "", "pass a  b ": "a  b ", " PASS  a": " a", "PASS\ta": "a"} {
		if got := Argument(pop3{}.Parse([]byte(line)), line); got != want {
			t.Errorf("%q: %q", line, got)
		}
	}
}

// Arguments come to their end, whatever a client sends.
func FuzzArguments(f *testing.F) {
	f.Add("a LOGIN {2}", "me {6+}", "secret")
	f.Add(`a LOGIN "m\"e" x{1}`, "", "")
	f.Fuzz(func(t *testing.T, line, first, second string) {
		args, err := read(line, first, second)
		if size := len(strings.Join(args, "")); err == nil && size > len(line)+len(first)+len(second) {
			t.Errorf("%q", args)
		}
	})
}
