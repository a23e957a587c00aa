package main

import (
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite README.md and the files in testdata")

// block is a generated part of README.md.
var block = regexp.MustCompile(`(?s)(<!-- generated: ([a-z-]+) -->\n).*?(<!-- /generated -->)`)

// regenerate returns text with its generated parts as they should be, and
// their names.
func regenerate(text string) (string, []string) {
	var names []string
	blocks := docBlocks()
	text = block.ReplaceAllStringFunc(text, func(old string) string {
		part := block.FindStringSubmatch(old)
		names = append(names, part[2])
		return part[1] + blocks[part[2]] + part[3]
	})
	return text, names
}

func TestREADMETables(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, names := regenerate(string(text))
	slices.Sort(names)
	if all := slices.Sorted(maps.Keys(docBlocks())); !slices.Equal(names, all) {
		t.Errorf("README.md has the blocks %v, want each of %v once", names, all)
	}
	wantFile(t, path, want)
}

// wantFile compares a file with what it should be, or makes it so.
func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not up to date; run: go test ./cmd/tlslift -update", path)
	}
}

func TestExampleEnvFile(t *testing.T) {
	t.Parallel()
	got := runWith(t, nil, "config", "--format", "env")
	wantFile(t, filepath.Join("..", "..", "deploy", "systemd", "tlslift.env"), got.stdout)
	assignments, err := parseEnvFile(strings.ReplaceAll(got.stdout, "#TLSLIFT_", "TLSLIFT_"))
	if err != nil || len(assignments) != len(settings) {
		t.Fatalf("uncommented: %d assignments, %v", len(assignments), err)
	}
	for i, a := range assignments {
		if a.name != prefix+settings[i].name || a.value != settings[i].def {
			t.Errorf("got %+v, want %+v", a, settings[i])
		}
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	for name, want := range docBlocks() {
		got := runWith(t, nil, "docs", name)
		if got.code != exitOK || got.stdout != want || !strings.HasPrefix(want, "| ") {
			t.Errorf("%s: got %+v", name, got)
		}
		rows := strings.Split(strings.TrimSuffix(want, "\n"), "\n")
		for _, row := range rows {
			if cells(row) != cells(rows[0]) {
				t.Errorf("%s: the row %q has another number of cells", name, row)
			}
		}
	}
	settings := runWith(t, nil, "docs", "settings").stdout
	if markdown := runWith(t, map[string]string{"TLSLIFT_LISTEN": "wrong"}, "config", "--format", "markdown"); markdown.stdout != settings {
		t.Errorf("config --format markdown differs: %+v", markdown)
	}
}

func cells(row string) int {
	return strings.Count(strings.ReplaceAll(row, `\|`, ""), "|")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"help":        {"--help"},
		"serve":       {"serve", "--help"},
		"config":      {"config", "--help"},
		"healthcheck": {"healthcheck", "--help"},
		"endpoints":   {"endpoints", "--help"},
	} {
		got := runWith(t, nil, args...)
		if got.code != exitOK || got.stderr != "" {
			t.Errorf("%s: got %+v", name, got)
		}
		wantFile(t, filepath.Join("testdata", name+".txt"), got.stdout)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		got := runWith(t, nil, "completion", shell)
		if got.code != exitOK || !strings.Contains(got.stdout, "__complete") || got.stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", shell, got.code, got.stderr)
		}
		if path, err := exec.LookPath(shell); err == nil && shell != "powershell" {
			if out, err := exec.Command(path, "-n", writeFile(t, got.stdout)).CombinedOutput(); err != nil {
				t.Errorf("%s does not take its script: %v: %s", shell, err, out)
			}
		}
	}
	if got := runWith(t, nil, "__complete", "config", "--format", ""); !strings.HasPrefix(got.stdout, "text\nmarkdown\nenv\n") {
		t.Errorf("completing --format: got %+v", got)
	}
	if got := runWith(t, nil, "__complete", "endpoints", "smtp"); !strings.Contains(got.stdout, "smtp.office365.com\n") {
		t.Errorf("completing a host: got %+v", got)
	}
	if got := runWith(t, nil, "__complete", "he"); !strings.Contains(got.stdout, "healthcheck") {
		t.Errorf("completing a command: got %+v", got)
	}
}
