package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a terminal: the program's, and that of the person.
func openTerminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal: %v", err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return program, person
}

// echoes reports whether a terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// readUntil reads from a terminal until it shows text.
func readUntil(t *testing.T, terminal *os.File, text string) string {
	t.Helper()
	var shown strings.Builder
	one := make([]byte, 1)
	for !strings.HasSuffix(shown.String(), text) {
		if _, err := terminal.Read(one); err != nil {
			t.Fatalf("%v after %q", err, shown.String())
		}
		shown.Write(one)
	}
	return shown.String()
}

// On a terminal the password is asked for twice and never shown, and afterwards the
// terminal is as it was.
func TestPasswordOnTerminal(t *testing.T) {
	t.Parallel()
	const ctrlC, ctrlD = "\x03", "\x04"
	for what, test := range map[string]struct {
		first, second string
		code          int
		stderr        string
	}{
		"twice":     {"printer12345\r", "printer12345\r", exitOK, ""},
		"corrected": {"printex\x7fr12345\r", "printer12345\r", exitOK, ""},
		"different": {"printer12345\r", "printer12346\r", exitFailure, "the two passwords are different; try again"},
		"empty":     {"\r", "\r", exitUsage, "the password is empty"},
		"Ctrl-C":    {"printer12345" + ctrlC, "", exitFailure, "no password was entered"},
		"Ctrl-D":    {ctrlD, "", exitFailure, "no password was entered"},
		"left":      {"printer12345\r", ctrlC, exitFailure, "no password was entered"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			program, person := openTerminal(t)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "password")
			cmd.Env = append(os.Environ(), asProgram+"=1")
			cmd.Stdin, cmd.Stderr = program, program
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			shown := readUntil(t, person, "Password: ")
			if echoes(t, program) {
				t.Error("the terminal shows what is typed")
			}
			_, _ = io.WriteString(person, test.first)
			if test.second != "" {
				shown += readUntil(t, person, "The same again: ")
				_, _ = io.WriteString(person, test.second)
			}
			hash, err := io.ReadAll(stdout)
			if err != nil {
				t.Fatal(err)
			}
			if test.stderr != "" {
				shown += readUntil(t, person, test.stderr)
			}
			_ = cmd.Wait() // the exit code says it
			if code := cmd.ProcessState.ExitCode(); code != test.code || (code == exitOK) != isHashOf(string(hash), "printer12345") {
				t.Errorf("exit code %d and %q", code, hash)
			}
			if !echoes(t, program) || strings.Contains(shown, "12345") {
				t.Errorf("echo is %t, and it has shown %q", echoes(t, program), shown)
			}
		})
	}
}
