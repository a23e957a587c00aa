package timerslack

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asProgram makes the test binary a program that raises its timer slack and says what it has
// then, beside its process and its arguments.
const asProgram = "TEST_BINARY_RAISES_TIMER_SLACK"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		Raise()
		fmt.Println(os.Getpid(), strings.Join(os.Args[1:], " "), current())
		return
	}
	os.Exit(m.Run())
}

func TestRaise(t *testing.T) {
	for _, tc := range []struct {
		name    string
		inherit time.Duration
		environ string
		want    time.Duration
	}{
		{"the kernel's own", 50 * time.Microsecond, asProgram + "=1", slack},
		{"set by the service manager", 2 * slack, asProgram + "=1", 2 * slack},
		{"once only, whatever the kernel makes of it", 50 * time.Microsecond, asProgram + "=1 " + marker + "=1", 50 * time.Microsecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			runtime.LockOSThread() // to the end: what it starts has its timer slack
			if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(tc.inherit), 0, 0, 0); err != nil {
				t.Skip("this kernel sets no timer slack:", err)
			}
			program := exec.CommandContext(t.Context(), os.Args[0], "two", "words")
			program.Env = append(os.Environ(), strings.Fields(tc.environ)...)
			out, err := program.Output()
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("%s two words %s\n", strconv.Itoa(program.Process.Pid), tc.want)
			if string(out) != want {
				t.Errorf("it says %q, want %q", out, want)
			}
		})
	}
}

// A program whose file was replaced, as by an upgrade, does not become another version.
func TestIsSelf(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{path: true, "/proc/self/status": false, path + " (deleted)": false} {
		if got := isSelf(file); got != want {
			t.Errorf("%s: %v, want %v", file, got, want)
		}
	}
}
