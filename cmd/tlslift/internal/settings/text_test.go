package settings

import (
	"strings"
	"testing"
)

// written returns what Write writes.
func written(t *testing.T, s Source) string {
	t.Helper()
	var b strings.Builder
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPrecedence: the environment wins over the file, which wins over the
// default, and config says which it was.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "# mine\nTLSLIFT_LOG_LEVEL=debug\nTLSLIFT_IDLE_TIMEOUT='5m'\n")
	got := written(t, sourceOf(map[string]string{"TLSLIFT_LOG_LEVEL": "error"}, file))
	wantRow(t, got, "TLSLIFT_LOG_LEVEL", "error environment")
	wantRow(t, got, "TLSLIFT_IDLE_TIMEOUT", "5m "+file+" line 3")
	wantRow(t, got, "TLSLIFT_DRAIN_TIMEOUT", "30s default")
	wantRow(t, got, "TLSLIFT_UPSTREAM_CA_FILE", "(the system's) default")
	wantRow(t, got, "TLSLIFT_DESTINATIONS", "(none) default")
	if lines := strings.Count(got, "\n"); lines != len(table)+1 {
		t.Errorf("got %d lines", lines)
	}
}

// wantRow looks for a row of the table of config that goes on with want, when
// its columns are separated by one blank.
func wantRow(t *testing.T, table, name, want string) {
	t.Helper()
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); fields[0] == name {
			if row := strings.Join(fields, " "); !strings.HasPrefix(row, name+" "+want) {
				t.Errorf("got %q, want %s %s", row, name, want)
			}
			return
		}
	}
	t.Errorf("no row for %s in:\n%s", name, table)
}

func TestPasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	for _, proxy := range []string{
		"http://user:hunter2@proxy.example.com:3128",
		"ftp://user:hunter2@proxy",
		"user:hunter2@proxy:3128",
		"http://user:hunter2@proxy:port",
		"http://user:hunter2%@proxy",
		"http://user:hun@ter2/hunter2@proxy",
		"http://user:hunter2@proxy/path",
	} {
		source := sourceOf(map[string]string{"TLSLIFT_UPSTREAM_PROXY": proxy}, "")
		out := written(t, source)
		if _, err := source.Load(); err != nil {
			out += err.Error()
		}
		if strings.Contains(out, "hunter2") || strings.Contains(out, "hun@") || !strings.Contains(out, "xxxxx@proxy") {
			t.Errorf("%s: got %s", proxy, out)
		}
	}
}

// The example is a file for --env-file, which sets every setting to its default
// once the lines are not commented out any more.
func TestExampleEnvFile(t *testing.T) {
	t.Parallel()
	assignments, err := parseEnvFile(strings.ReplaceAll(ExampleEnvFile(), "#TLSLIFT_", "TLSLIFT_"))
	if err != nil || len(assignments) != len(table) {
		t.Fatalf("uncommented: %d assignments, %v", len(assignments), err)
	}
	for i, a := range assignments {
		if a.name != Prefix+table[i].name || a.value != table[i].def {
			t.Errorf("got %+v, want %+v", a, table[i])
		}
	}
}
