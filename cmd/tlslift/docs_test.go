package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/metrics"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/m365"
	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// docFiles are the documents that may have generated blocks; they are patterns,
// and those that match no file do not matter.
var docFiles = []string{
	filepath.Join("..", "..", "README.md"),
	filepath.Join("..", "..", "deploy", "docs", "*.md"),
}

// docBlocks returns the generated blocks, by name.
func docBlocks() map[string]string {
	return map[string]string{
		"settings":   settings.Markdown(),
		"metrics":    metrics.Documentation(),
		"reasons":    metrics.ReasonsDocumentation(),
		"rules":      metrics.RulesDocumentation(),
		"log-fields": logFieldsMarkdown(),
		"listeners":  listenersMarkdown(),
		"options":    optionsMarkdown(),
		"exit-codes": exitCodesMarkdown(),
	}
}

// generated matches a generated block of a document.
var generated = regexp.MustCompile(`(?s)(<!-- generated: ([a-z-]+) -->\n).*?(<!-- /generated -->)`)

// regenerate returns text with its generated blocks as they should be, and
// their names.
func regenerate(text string, blocks map[string]string) (string, []string) {
	var names []string
	text = generated.ReplaceAllStringFunc(text, func(old string) string {
		part := generated.FindStringSubmatch(old)
		names = append(names, part[2])
		return part[1] + blocks[part[2]] + part[3]
	})
	return text, names
}

// TestDocs: every generated block stands in one of the documents, and is up to
// date. With -update it writes them.
func TestDocs(t *testing.T) {
	t.Parallel()
	blocks := docBlocks()
	var found []string
	for _, pattern := range docFiles {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, names := regenerate(string(text), blocks)
			for _, name := range names {
				if blocks[name] == "" {
					t.Fatalf("%s has the block %q, which nothing generates", path, name)
				}
			}
			found = append(found, names...)
			testenv.WantFile(t, path, want)
		}
	}
	for name := range blocks {
		if !slices.Contains(found, name) {
			t.Errorf("no document has the block <!-- generated: %s --> … <!-- /generated -->", name)
		}
	}
}

// Each block is a table, whose rows have as many cells as its head.
func TestDocBlocksAreTables(t *testing.T) {
	t.Parallel()
	for name, block := range docBlocks() {
		rows := strings.Split(strings.TrimSuffix(block, "\n"), "\n")
		for _, row := range rows {
			if !strings.HasPrefix(row, "| ") && row != rows[1] || cells(row) != cells(rows[0]) {
				t.Errorf("%s: the row %q has another number of cells", name, row)
			}
		}
	}
}

// The documented destinations of the mail listeners are those of the default
// instance.
func TestListenerDestinations(t *testing.T) {
	t.Parallel()
	allowed, err := m365.New(m365.Worldwide, nil)
	if err != nil {
		t.Fatal(err)
	}
	mail := allowed.Mail()
	want := map[record.Protocol]policy.Destination{
		record.ProtocolSMTP: mail.SMTP, record.ProtocolIMAP: mail.IMAP, record.ProtocolPOP3: mail.POP3,
	}
	for _, s := range listener.Schemes() {
		protocol := s.Scheme.Mail()
		if protocol != "" && s.Destination != "`"+want[protocol].String()+"`" {
			t.Errorf("%s is documented with %s, and goes to %s", s.Scheme, s.Destination, want[protocol])
		}
	}
}

func cells(row string) int {
	return strings.Count(strings.ReplaceAll(row, `\|`, ""), "|")
}

func logFieldsMarkdown() string {
	var b strings.Builder
	b.WriteString("| field | meaning |\n|---|---|\n")
	for _, f := range record.LogFields() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, f.Meaning)
	}
	return b.String()
}

func exitCodesMarkdown() string {
	var b strings.Builder
	b.WriteString("| exit code | meaning |\n|---|---|\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "| %d | %s |\n", c.code, c.meaning)
	}
	return b.String()
}

func listenersMarkdown() string {
	var b strings.Builder
	b.WriteString("| listener | the client | destination |\n|---|---|---|\n")
	for _, s := range listener.Schemes() {
		fmt.Fprintf(&b, "| `%s://` | %s | %s |\n", s.Scheme, s.Client, s.Destination)
	}
	return b.String()
}

func optionsMarkdown() string {
	var b strings.Builder
	b.WriteString("| option | value | default | listeners | meaning |\n|---|---|---|---|---|\n")
	for _, o := range listener.Options() {
		var schemes []string
		for _, s := range o.Schemes {
			schemes = append(schemes, "`"+string(s)+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", o.Name, o.Value, o.Default, strings.Join(schemes, ", "), o.Meaning)
	}
	return b.String()
}
