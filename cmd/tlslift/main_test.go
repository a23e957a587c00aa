package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asProgram in the environment makes the test binary be tlslift itself.
const asProgram = "TEST_BINARY_IS_TLSLIFT"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// A result is what a run of the program left behind.
type result struct {
	code           int
	stdout, stderr string
}

// runWith runs the program in this process with a home directory and the
// given environment.
func runWith(t *testing.T, environ map[string]string, args ...string) result {
	t.Helper()
	all := homeEnviron()
	maps.Copy(all, environ)
	dir := t.TempDir()
	stdout, stderr := create(t, filepath.Join(dir, "stdout")), create(t, filepath.Join(dir, "stderr"))
	code := run(args, all, stdout, stderr)
	return result{code, content(t, stdout), content(t, stderr)}
}

// homeEnviron returns an environment that has a home directory alone.
func homeEnviron() map[string]string {
	return map[string]string{"HOME": "/home/user", "LOCALAPPDATA": `C:\user`}
}

func create(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func content(t *testing.T, f *os.File) string {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"srve"}, `"srve" is not a command; did you mean serve?`},
		{[]string{"zzzzzzzzz"}, "`tlslift --help`"},
		{[]string{"serve", "extra"}, "tlslift serve takes no arguments, and \"extra\" is one; run `tlslift serve --help`"},
		{[]string{"endpoints", "a", "b"}, "name one host or address"},
		{[]string{"--no-such-flag"}, "--no-such-flag"},
		{[]string{"config", "--format", "yaml"}, `"yaml" is not a format; use text, markdown or env`},
		{[]string{"clients", "--json", "--csv"}, "tlslift: --json and --csv cannot be used together\n"},
		{[]string{"clients", "--legacy", "--failing"}, "tlslift: --failing and --legacy cannot be used together\n"},
		{[]string{"serve", "--env-file", "/no/such.env"}, "correct the path, or write -/no/such.env if it may be missing"},
	}
	for _, test := range tests {
		got := runWith(t, nil, test.args...)
		if got.code != exitUsage || !strings.Contains(got.stderr, test.want) || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d and %q, want 2 and one line with %q", test.args, got.code, got.stderr, test.want)
		}
		if !strings.HasPrefix(got.stderr, "tlslift: ") || got.stdout != "" {
			t.Errorf("%q: got stdout %q, stderr %q", test.args, got.stdout, got.stderr)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := runWith(t, nil, "version")
	if lines := strings.Split(got.stdout, "\n"); got.code != exitOK || len(lines) != 4 ||
		!strings.HasPrefix(lines[0], "tlslift ") || !strings.HasPrefix(lines[1], "go1.") || !strings.Contains(lines[2], "/") {
		t.Errorf("got %+v", got)
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"TLSLIFT_LISTN":         "did you mean TLSLIFT_LISTEN?",
		"TLSLIFT_ADMINLISTEN":   "did you mean TLSLIFT_ADMIN_LISTEN?",
		"TLSLIFT_LOGLEVEL":      "did you mean TLSLIFT_LOG_LEVEL?",
		"tlslift_ciphers":       "did you mean TLSLIFT_CIPHERS?",
		"TLSLIFT_CLIENT_NET":    "did you mean TLSLIFT_CLIENT_NETS?",
		"TLSLIFT_QQQQQQQQQQQQQ": "run `tlslift config` for the list",
	}
	for name, want := range tests {
		got := runWith(t, map[string]string{name: "hunter2"}, "config")
		if line := "tlslift: " + name + " is not a setting; " + want + "\n"; got.code != exitUsage || got.stderr != line {
			t.Errorf("%s: got %+v, want %q", name, got, line)
		}
	}
}
