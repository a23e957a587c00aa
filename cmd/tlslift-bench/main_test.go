package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/bench"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/cli"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// TestMain is the program itself in the processes that a comparison starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == bench.BackendRole || os.Args[1] == bench.StormRole) {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// runProgram returns the exit code and what was written.
func runProgram(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	var files [2]*os.File
	for i, name := range []string{"stdout", "stderr"} {
		var err error
		if files[i], err = os.Create(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		defer files[i].Close()
	}
	code = run(args, files[0], files[1])
	var text [2]string
	for i, f := range files {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		text[i] = string(data)
	}
	return code, text[0], text[1]
}

// The real tlslift and the real HAProxy do a little work. A HAProxy that refuses TLS 1.0 is
// marked as refused, and has no number.
func TestQuick(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "haproxy", "go", "sed")
	strict := filepath.Join(t.TempDir(), "strict")
	script := `#!/bin/sh
[ "$1" = -v ] && exec haproxy -v
sed 's/ssl-min-ver TLSv1.0/ssl-min-ver TLSv1.2/' <"$3" >"$3.strict"
exec haproxy "$1" "$2" "$3.strict"
`
	if err := os.WriteFile(strict, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	args := []string{
		"--quick", "--works", "full-ecdhe,full-ecdsa,resumed", "--subjects", "tlslift,haproxy", "--haproxy", strict,
		"--format", "json", "--out", out,
	}
	if raceEnabled {
		args = append(args, "--tlslift", buildWithRace(t))
	}
	code, stdout, stderr := runProgram(t, args...)
	if code != cli.ExitOK {
		t.Fatalf("exit code %d:\n%s", code, stderr)
	}
	var r bench.Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Figures) != 3 {
		t.Fatalf("%d figures", len(r.Figures))
	}
	for _, f := range r.Figures {
		for _, id := range []string{"tlslift", "haproxy"} {
			if c := f.Cells[id]; c.Status != bench.Measured || len(c.Samples) != 1 || c.Why != "" {
				t.Errorf("%s, %s: %+v", f.Work, id, c)
			}
		}
	}
	cells := r.Figures[0].Cells
	if c := cells["haproxy-2"]; c.Status != bench.Refused || len(c.Samples) != 0 || !strings.Contains(c.Why, "handshake") {
		t.Errorf("the HAProxy that refuses TLS 1.0: %+v", c)
	}
	if strings.Contains(r.Command, filepath.Dir(strict)) {
		t.Errorf("the command has a directory of this machine: %s", r.Command)
	}
	for _, name := range []string{"performance.txt", "performance.md", "performance.svg"} {
		data, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || !strings.Contains(string(data), "refused") {
			t.Errorf("%s does not say who refused: %v", name, err)
		}
	}
	again, table, _ := runProgram(t, "--from", filepath.Join(out, "performance.json"))
	if again != cli.ExitOK || !strings.Contains(table, "HAProxy (2) ") || !strings.Contains(table, "refused full-ecdhe") {
		t.Errorf("the earlier result, exit code %d:\n%s", again, table)
	}
}

// buildWithRace builds tlslift of the packages that the other tests have compiled by then:
// compiling all of them once more, without the race detector, takes a minute.
func buildWithRace(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tlslift")
	if out, err := exec.Command("go", "build", "-race", "-o", path, "github.com/tlslift/tlslift/cmd/tlslift").CombinedOutput(); err != nil {
		t.Fatalf("building tlslift: %v\n%s", err, out)
	}
	return path
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--list"}, cli.ExitOK, "mail-small"},
		{[]string{"--help"}, cli.ExitOK, "Exit codes:"},
		{[]string{"--works", "uplod"}, cli.ExitUsage, "did you mean upload?"},
		{[]string{"--tlslift", "/nonexistent/tlslift"}, cli.ExitUsage, "/nonexistent/tlslift"},
		{[]string{"--from", "/nonexistent/file"}, cli.ExitFailure, "/nonexistent/file"},
		// A tlslift that does not do the work is a failure, with the reason.
		{[]string{"--quick", "--works", "passed", "--subjects", "tlslift", "--tlslift", "/bin/false"}, cli.ExitFailure, "tlslift refused passed"},
	}
	for _, tt := range tests {
		code, stdout, stderr := runProgram(t, tt.args...)
		if code != tt.code || !strings.Contains(stdout+stderr, tt.says) {
			t.Errorf("%q: exit code %d, want %d with %q:\n%s%s", tt.args, code, tt.code, tt.says, stdout, stderr)
		}
	}
}
