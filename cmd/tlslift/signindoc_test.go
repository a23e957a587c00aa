package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// keysOf adds the keys of a sign-in file, with the keys that they are below.
func keysOf(n *yaml.Node, above string, all map[string]bool) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := above + n.Content[i].Value
			all[key] = true
			keysOf(n.Content[i+1], key+".", all)
		}
	case yaml.DocumentNode, yaml.SequenceNode:
		for _, child := range n.Content {
			keysOf(child, above, all)
		}
	}
}

// fileKeys returns the keys of sign-in files.
func fileKeys(t *testing.T, files ...string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, file := range files {
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(file), &document); err != nil {
			t.Fatalf("%v in:\n%s", err, file)
		}
		keysOf(&document, "", all)
	}
	return all
}

var (
	yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(tenant:.*?)^```$")
	keyTable  = regexp.MustCompile(`(?m)^\| key \|.*\n\|---.*\n((?:\|.*\n)+)`)
	keyRow    = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|")
	setupFile = regexp.MustCompile(`(?m)^    tenant: .*\n(?:    .*\n)+`)
)

// tableKeys returns the keys that the tables of the page explain. The tables stand in
// the order in which their keys are below one another.
func tableKeys(t *testing.T, page string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	tables := keyTable.FindAllStringSubmatch(page, -1)
	above := []string{"", "application.", "mailboxes.", "mailboxes.logins."}
	if len(tables) != len(above) {
		t.Fatalf("found %d tables of keys, want %d", len(tables), len(above))
	}
	for i, table := range tables {
		for _, row := range keyRow.FindAllStringSubmatch(table[1], -1) {
			all[above[i]+row[1]] = true
		}
	}
	return all
}

// Every key of the examples, and of the file that the setup prints, has a row in the
// tables of the page, and every row has an example. The page shows two of the four
// credentials of an application.
func TestSignInPage(t *testing.T) {
	t.Parallel()
	page := readDoc(t, filepath.Join("..", "..", "deploy", "docs", "signin.md"))
	var examples []string
	for _, m := range yamlBlock.FindAllStringSubmatch(page, -1) {
		examples = append(examples, m[1])
	}
	if len(examples) != 2 {
		t.Fatalf("found %d examples, want 2", len(examples))
	}
	explained, shown := tableKeys(t, page), fileKeys(t, examples...)
	withoutExample := []string{"application.federated_token_file", "application.managed_identity"}
	for key := range explained {
		if shown[key] == slices.Contains(withoutExample, key) {
			t.Errorf("%s is in an example of the page: %v", key, shown[key])
		}
	}
	for key := range shown {
		if !explained[key] {
			t.Errorf("%s is in an example, and in no table", key)
		}
	}
	for _, args := range []string{"", "--delegated", "--hve"} {
		got := runWith(t, nil, append([]string{"signin", "setup"}, strings.Fields(args)...)...)
		file := setupFile.FindString(got.stdout)
		if file == "" {
			t.Fatalf("no sign-in file in:\n%s", got.stdout)
		}
		for key := range fileKeys(t, file) {
			if !explained[key] {
				t.Errorf("signin setup %s prints %s, which is in no table of the page", args, key)
			}
		}
	}
}
