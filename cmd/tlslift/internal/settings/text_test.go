package settings

import (
	"strings"
	"testing"
	"unicode/utf8"
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
	wantRow(t, got, "TLSLIFT_LOG_LEVEL", "error [environment]")
	wantRow(t, got, "TLSLIFT_IDLE_TIMEOUT", "5m ["+file+" line 3]")
	wantRow(t, got, "TLSLIFT_DRAIN_TIMEOUT", "30s [default]")
	wantRow(t, got, "TLSLIFT_UPSTREAM_CA_FILE", "(the system's) [default]")
	wantRow(t, got, "TLSLIFT_DESTINATIONS", "(none) [default]")
	for _, name := range names() {
		if strings.Count(got, name+" ") != 1 {
			t.Errorf("%s does not have one row in:\n%s", name, got)
		}
	}
}

// wantRow looks for a row of what Write writes that continues with want, when blanks
// and line ends are one blank.
func wantRow(t *testing.T, written, name, want string) {
	t.Helper()
	_, row, found := strings.Cut(written, "\n"+name+" ")
	if row = strings.Join(strings.Fields(row), " "); !found || !strings.HasPrefix(row, want+" ") {
		t.Errorf("got %.100q for %s, want %q", row, name, want)
	}
}

// Whatever has words or commas fits on a terminal.
func TestTextFits(t *testing.T) {
	t.Parallel()
	environ := map[string]string{
		"TLSLIFT_CLIENT_NETS": strings.Repeat("192.0.2.1,", 50) + "fd00::/8",
		"TLSLIFT_CONNECT_TO":  strings.Repeat("outlook.office365.com:443=192.0.2.1:443,", 5),
	}
	file := writeFile(t, "TLSLIFT_DESTINATIONS="+strings.Repeat("mail.example.com:587, ", 20)+"\n")
	for name, text := range map[string]string{
		"the defaults": written(t, sourceOf(nil, "")), "long lists": written(t, sourceOf(environ, file)), "the example": ExampleEnvFile(),
	} {
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > 100 && !strings.Contains(line, file) {
				t.Errorf("%s: %d characters in %q", name, n, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s: blanks at the end of %q", name, line)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"one", "one"},
		{"one two three", "one two|three"},
		{"one twothree4", "one|twothree4"},
		{"1,2,3,4,5,6", "1,2,3,4,|5,6"},
		{"x 1,2,3,4,5,6 y", "x 1,2,3,|4,5,6 y"},
		{"unbreakable x", "unbreakable|x"},
		{"äöü äöü ß", "äöü äöü|ß"},
	} {
		if got := strings.Join(Wrap(test.text, 8), "|"); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
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
