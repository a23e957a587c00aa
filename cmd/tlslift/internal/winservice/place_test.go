package winservice

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Windows has these accounts by the same rule.
func TestServiceSID(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"TrustedInstaller": "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
		"trustedinstaller": "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
		"mpssvc":           "S-1-5-80-3088073201-1464728630-1879813800-1107566885-823218052",
	} {
		if got := serviceSID(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	p := under(`D:\Data\`)
	for got, want := range map[string]string{
		p.EnvFile(): `D:\Data\tlslift\tlslift.env`, p.StateDir(): `D:\Data\tlslift\state`, p.LogFile(): `D:\Data\tlslift\log\tlslift.log`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, rights := range []string{mayRead, mayWrite} {
		if got := aclOf(rights); strings.Count(got, "(A;OICI;") != 3 || !strings.HasPrefix(got, "D:P(") || !strings.Contains(got, ";S-1-5-80-") {
			t.Errorf("got %s", got)
		}
	}
}

// An events is a log of Windows of a test's own.
type events []string

func (e *events) Warning(id uint32, text string) error {
	*e = append(*e, fmt.Sprintf("%d warning: %s", id, text))
	return nil
}

func (e *events) Error(id uint32, text string) error {
	*e = append(*e, fmt.Sprintf("%d error: %s", id, text))
	return nil
}

// Each line has the kind of its level, whatever a client has written into it.
func TestEvents(t *testing.T) {
	t.Parallel()
	var got events
	text := "level=WARN msg=\"level=ERROR\"\nlevel=ERROR msg=x\n\nlevel=ERROR+4 msg=\x00y\n"
	if n, err := newEventWriter(&got).Write([]byte(text)); n != len(text) || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	want := "1 warning: level=WARN msg=\"level=ERROR\"|2 error: level=ERROR msg=x|2 error: level=ERROR+4 msg=\uFFFDy"
	if joined := strings.Join(got, "|"); joined != want {
		t.Errorf("got %q, want %q", joined, want)
	}
}

// Nobody fills the log of Windows, which is that of all programs.
func TestEventsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got events
		w := newEventWriter(&got)
		for range 1000 {
			_, _ = w.Write([]byte("level=WARN msg=" + strings.Repeat("é", maxEvent) + "\n"))
		}
		if len(got) != maxEvents {
			t.Errorf("%d events", len(got))
		}
		for _, e := range got {
			if len(e) > maxEvent+100 || strings.ContainsRune(e, '\uFFFD') {
				t.Fatalf("an event of %d bytes", len(e))
			}
		}
		time.Sleep(eventPause)
		_, _ = w.Write([]byte("level=ERROR msg=x\nlevel=ERROR msg=y\n"))
		if last := got[len(got)-1]; len(got) != maxEvents+1 || !strings.HasPrefix(last, "2 error: level=ERROR msg=x\nBefore this one, 950 more") {
			t.Errorf("%d events, the last is %s", len(got), last)
		}
	})
}

// Any text can be an event.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("level=ERROR msg=x\n\x00\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var got events
		if n, err := newEventWriter(&got).Write(text); n != len(text) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if strings.Contains(strings.Join(got, ""), "\x00") {
			t.Fatal("NUL")
		}
	})
}
