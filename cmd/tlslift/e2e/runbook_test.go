package e2e

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each alert has its section in the runbook, each section its alert, and each
// rule a promtool test.
func TestRulesAreExplainedAndTested(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(prometheusFiles, "*_test.yml"))
	if err != nil || len(files) == 0 {
		t.Fatal("found no tests of the rules", err)
	}
	var tests strings.Builder
	for _, f := range files {
		tests.WriteString(readFile(t, f))
	}
	rules := readFile(t, filepath.Join(prometheusFiles, "rules.yml"))
	alerts := readFile(t, filepath.Join(prometheusFiles, "alerts.yml"))
	for _, m := range regexp.MustCompile(`- record: (\S+)`).FindAllStringSubmatch(rules, -1) {
		if !regexp.MustCompile(`expr: .*` + regexp.QuoteMeta(m[1])).MatchString(tests.String()) {
			t.Errorf("no test reads %s", m[1])
		}
	}
	var names, sections []string
	for _, m := range regexp.MustCompile(`- alert: (\S+)`).FindAllStringSubmatch(alerts, -1) {
		names = append(names, m[1])
		fires := regexp.MustCompile(`alertname: ` + m[1] + "\n.*\n +exp_alerts:\n")
		quiet := regexp.MustCompile(`alertname: ` + m[1] + "\n.*\n +exp_alerts: \\[\\]")
		if !fires.MatchString(tests.String()) || !quiet.MatchString(tests.String()) {
			t.Errorf("%s is not tested both firing and quiet", m[1])
		}
		if !strings.Contains(alerts, "RUNBOOK.md#"+strings.ToLower(m[1])+"\n") {
			t.Errorf("%s does not lead to its section in the runbook", m[1])
		}
	}
	text := readFile(t, filepath.Join(prometheusFiles, "RUNBOOK.md"))
	for _, m := range regexp.MustCompile(`(?m)^## (\S+)$`).FindAllStringSubmatch(text, -1) {
		sections = append(sections, m[1])
	}
	slices.Sort(names)
	slices.Sort(sections)
	if !slices.Equal(names, sections) {
		t.Errorf("the alerts are %v, the runbook has %v", names, sections)
	}
}
