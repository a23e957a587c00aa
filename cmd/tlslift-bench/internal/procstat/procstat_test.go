package procstat

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     Process
		fails    bool
	}{
		{"plain", "42 (nginx) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5", Process{42, 7, 127}, false},
		{"name with spaces and parentheses", "42 (a (b) c) R 7 1 1 0 -1 0 0 0 0 0 1 2 0 0 20", Process{42, 7, 3}, false},
		{"no name", "42 nginx S 7", Process{}, true},
		{"cut off", "42 (nginx) S 7 1 1 0 -1 0 0 0 0 0 1 2", Process{}, true},
		{"no number", "x (nginx) S 7 1 1 0 -1 0 0 0 0 0 1 2 0 0 20", Process{}, true},
		{"time is no number", "42 (nginx) S 7 1 1 0 -1 0 0 0 0 0 1 x 0 0 20", Process{}, true},
		{"reversed", ") 42 ( S 7", Process{}, true},
		{"empty", "", Process{}, true},
	}
	for _, tt := range tests {
		got, err := ParseStat([]byte(tt.in))
		if (err != nil) != tt.fails || err == nil && got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestParsePSS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in    string
		want  float64
		fails bool
	}{
		{"00400000-7fff [rollup]\nRss:  900 kB\nPss:   512 kB\nPss_Dirty: 3 kB\n", 512, false},
		{"Rss: 900 kB\nPss_Dirty: 3 kB\n", 0, true},
		{"Pss: many kB\n", 0, true},
		{"Pss: 5\n", 0, true},
		{"Pss: -5 kB\n", 0, true},
	}
	for _, tt := range tests {
		got, err := ParsePSS([]byte(tt.in))
		if (err != nil) != tt.fails || err == nil && got != tt.want {
			t.Errorf("%q: %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
}

// The processor time and the memory of a child are those of its parent's tree.
func TestReadTree(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("/proc is that of Linux")
	}
	// The outer shell waits for its child, which waits for its input to end.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "sh -c 'echo ready; read line'; exit 0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	u, err := Read(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if u.Processes != 2 || u.PSSKiB <= 0 || u.Files < 6 {
		t.Errorf("a shell with a child: %+v", u)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(cmd.Process.Pid); err == nil {
		t.Error("a process that has ended was read")
	}
	if _, err := CPU(os.Getpid()); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("42 (a (b) c) R 7 1 1 0 -1 0 0 0 0 0 1 2 0 0 20"))
	f.Add([]byte("Pss: 512 kB\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if kib, err := ParsePSS(data); err == nil && kib < 0 {
			t.Errorf("memory of %v KiB", kib)
		}
		_, _ = ParseStat(data)
	})
}
