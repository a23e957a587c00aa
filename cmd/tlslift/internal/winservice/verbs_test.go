package winservice

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The service has the file that was given, whatever directory it runs in, or its own.
func TestArgs(t *testing.T) {
	t.Parallel()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	place := Place{Dir: `C:\ProgramData\tlslift`}
	for envFile, want := range map[string]string{
		"": `-C:\ProgramData\tlslift\tlslift.env`, "my.env": filepath.Join(dir, "my.env"), "-my.env": "-" + filepath.Join(dir, "my.env"),
	} {
		got, err := Args(envFile, place)
		if err != nil || !slices.Equal(got, []string{"serve", "--env-file", want}) {
			t.Errorf("%q: got %q, %v", envFile, got, err)
		}
	}
}

// The settings that somebody has written stay as they are.
func TestWriteNew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tlslift.env")
	for _, text := range []string{"A=b\n", "C=d\n"} {
		if err := writeNew(path, text); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "A=b\n" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestPrintStatus(t *testing.T) {
	t.Parallel()
	for want, status := range map[string]Status{
		"not installed\n":       {State: NotInstalled},
		"running, process 12\n": {State: Running, PID: 12},
		"stopped\n":             {State: Stopped},
		"stopped, exit code 64; the reason is in C:\\P\\log\\tlslift.log\n": {State: Stopped, ExitCode: 64},
	} {
		var b strings.Builder
		m := Manager{System: &fakeWindows{states: []Status{status}}, Place: Place{Dir: `C:\P`}}
		if runs, err := m.PrintStatus(&b); b.String() != want || runs != (status.State == Running) || err != nil {
			t.Errorf("%+v: got %q, %v, %v", status, b.String(), runs, err)
		}
	}
}
