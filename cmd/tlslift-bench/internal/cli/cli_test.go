package cli

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	o, err := parse(nil, io.Discard)
	if err != nil || o.rounds != 3 || o.format.Name != "table" || len(o.works) < 10 || o.timeout != time.Hour {
		t.Errorf("without flags: %+v, %v", o, err)
	}
	o, err = parse([]string{"--quick", "--rounds", "9", "--works", "echo, upload", "--subjects=nginx", "--format", "svg"}, io.Discard)
	if err != nil || o.rounds != 1 || !slices.Equal(o.works, []string{"echo", "upload"}) || !slices.Equal(o.subjects, []string{"nginx"}) ||
		o.format.Name != "svg" {
		t.Errorf("with flags: %+v, %v", o, err)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []string
		says string
	}{
		{[]string{"upload"}, `"upload" is too much`},
		{[]string{"--works", "upload,"}, "write some of"},
		{[]string{"--subjects", "haprxy"}, "did you mean haproxy?"},
		{[]string{"--rounds", "0"}, "from 1 to 100"},
		{[]string{"--rounds", "101"}, "from 1 to 100"},
		{[]string{"--timeout", "0s"}, "write a time"},
		{[]string{"--format", "pdf"}, "unknown"},
		{[]string{"--haproxy", "/nonexistent"}, "no such file"},
		{[]string{"--nonsense"}, "--help lists the flags"},
	}
	for _, tt := range tests {
		if _, err := parse(tt.args, io.Discard); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: %v, want %q", tt.args, err, tt.says)
		}
	}
}

// What others read names no directory of the machine.
func TestSafe(t *testing.T) {
	t.Parallel()
	got := safe([]string{"--quick", "--tlslift", "/home/me/tlslift", "--haproxy=/opt/haproxy", "--works", "a,b", "--out=/tmp/x/"})
	want := []string{"--quick", "--tlslift", "tlslift", "--haproxy=haproxy", "--works", "a,b", "--out=x"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
