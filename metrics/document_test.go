package metrics

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/record"
)

// described collects, from a real scrape, the row that each of our metrics
// should have in the documentation.
func described(t *testing.T, exposition string) []string {
	t.Helper()
	help, kind, labels := map[string]string{}, map[string]string{}, map[string][]string{}
	for line := range strings.Lines(exposition) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if !strings.Contains(line, "tlslift_") {
			continue
		}
		switch {
		case fields[1] == "HELP":
			help[fields[2]] = fields[3]
		case fields[1] == "TYPE":
			kind[fields[2]] = fields[3]
		default:
			name, names := labelNames(line)
			labels[name] = names
		}
	}
	var rows []string
	for name := range help {
		sample := name
		if kind[name] == "histogram" {
			sample += "_count"
		}
		names, ok := labels[sample]
		if !ok {
			t.Errorf("%s has no series, so its labels cannot be compared", name)
		}
		rows = append(rows, strings.Join([]string{name, kind[name], strings.Join(names, ","), help[name]}, "|"))
	}
	slices.Sort(rows)
	return rows
}

var labelName = regexp.MustCompile(`([a-z_]+)="`)

// labelNames splits a sample line into its name and its sorted label names.
func labelNames(line string) (name string, names []string) {
	end := strings.IndexAny(line, "{ ")
	for _, match := range labelName.FindAllStringSubmatch(line, -1) {
		names = append(names, match[1])
	}
	slices.Sort(names)
	return line[:end], names
}

// documented reads the same rows back from the Markdown table.
func documented(markdown string) []string {
	var rows []string
	for line := range strings.Lines(markdown) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || !strings.Contains(cells[0], "tlslift_") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "`", ""))
		}
		labels := strings.Split(cells[2], ", ")
		slices.Sort(labels)
		cells[2] = strings.Join(labels, ",")
		rows = append(rows, strings.Join(cells, "|"))
	}
	slices.Sort(rows)
	return rows
}

func TestDocumentationEqualsExposition(t *testing.T) {
	t.Parallel()
	live, table := described(t, scrape(t, withStory())), documented(Documentation())
	for _, row := range live {
		if !slices.Contains(table, row) {
			t.Errorf("exposed but not documented so: %s", row)
		}
	}
	for _, row := range table {
		if !slices.Contains(live, row) {
			t.Errorf("documented but not exposed so: %s", row)
		}
	}
	if len(live) < 16 {
		t.Errorf("only %d metrics compared", len(live))
	}
}

func TestReasonsDocumentationHasEveryReason(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(ReasonsDocumentation()), "\n")
	if want := len(record.Reasons()) + 2; len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	for i, r := range record.Reasons() {
		want := "| `" + string(r) + "` | " + string(r.Fault()) + " | " + r.Cause() + " | " + r.Remedy() + " |"
		if lines[i+2] != want {
			t.Errorf("line is\n%s\nwant\n%s", lines[i+2], want)
		}
	}
}

func TestRulesDocumentationHasEveryRule(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(RulesDocumentation()), "\n")
	if want := len(record.Rules()) + 2; len(lines) != want {
		t.Fatalf("%d lines, want %d", len(lines), want)
	}
	for i, r := range record.Rules() {
		want := "| `" + string(r) + "` | " + r.Meaning() + " | " + r.Needs() + " |"
		if lines[i+2] != want {
			t.Errorf("line is\n%s\nwant\n%s", lines[i+2], want)
		}
	}
}

func TestMarkdownTableEscapesBars(t *testing.T) {
	t.Parallel()
	got := markdownTable([][]string{{"a", "b"}, {"x|y", "z"}})
	if want := "| a | b |\n|---|---|\n| x\\|y | z |\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
