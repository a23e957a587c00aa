package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// prometheusFiles are what an operator copies.
const prometheusFiles = "../../../deploy/prometheus"

// A prometheus is a Prometheus with the scrape configuration, the rules and
// the alerts that an operator copies, in a hurry.
type prometheus struct {
	t   *testing.T
	url string
}

// hurry makes of intervals and waits of a minute and more ones of a second.
var hurry = regexp.MustCompile(`(?m)^( *(?:scrape_interval|evaluation_interval|interval|for): ).*$`)

func startPrometheus(t *testing.T, target string) *prometheus {
	t.Helper()
	testenv.Need(t, "prometheus")
	dir, address := t.TempDir(), testenv.FreeAddress(t)
	for _, name := range []string{"scrape.yml", "rules.yml", "alerts.yml"} {
		text := hurry.ReplaceAllString(readFile(t, filepath.Join(prometheusFiles, name)), "${1}1s")
		text = strings.NewReplacer("/etc/prometheus/tlslift", dir, "127.0.0.1:9465", target).Replace(text)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	testenv.Program{Address: address}.Run(t, "prometheus", "--config.file="+filepath.Join(dir, "scrape.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn")
	return &prometheus{t: t, url: "http://" + address}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ask asks the HTTP API and decodes the data of its answer; false says that it
// does not serve yet. A question that it does not understand is fatal.
func (p *prometheus) ask(path string, query url.Values, data any) bool {
	p.t.Helper()
	resp, err := http.Get(p.url + path + "?" + query.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	answer := struct {
		Status string
		Error  string
		Data   any
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil {
		p.t.Fatalf("%s %v: %v\n%s", path, query, err, body)
	}
	if answer.Status != "success" {
		p.t.Fatalf("%s %v: %s", path, query, answer.Error)
	}
	return true
}

// A sample is a series and its value, as the HTTP API has them.
type sample struct {
	Metric map[string]string
	Value  [2]any
}

// numbers evaluates an expression and returns the samples that are numbers:
// what is divided by nothing shows nothing.
func (p *prometheus) numbers(expr string) []sample {
	p.t.Helper()
	var data struct{ Result []sample }
	p.ask("/api/v1/query", url.Values{"query": {expr}}, &data)
	var found []sample
	for _, s := range data.Result {
		if s.Value[1] != "NaN" {
			found = append(found, s)
		}
	}
	return found
}

// A rule is a recording rule or an alert, as Prometheus has it.
type rule struct {
	Name, Query, Health, LastError, Type string
	Alerts                               []firedAlert
}

type firedAlert struct {
	State               string
	Labels, Annotations map[string]string
}

func (p *prometheus) rules() []rule {
	p.t.Helper()
	var data struct{ Groups []struct{ Rules []rule } }
	p.ask("/api/v1/rules", nil, &data)
	var all []rule
	for _, g := range data.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// firing are the alerts that fire, by name.
func (p *prometheus) firing() map[string][]firedAlert {
	p.t.Helper()
	found := map[string][]firedAlert{}
	for _, r := range p.rules() {
		for _, a := range r.Alerts {
			if a.State == "firing" {
				found[r.Name] = append(found[r.Name], a)
			}
		}
	}
	return found
}

var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// has reports whether a question of the dashboard has an answer: an
// expression, or the values of a variable.
func (p *prometheus) has(question string) bool {
	p.t.Helper()
	m := labelValues.FindStringSubmatch(question)
	if m == nil {
		return len(p.numbers(question)) > 0
	}
	var values []string
	p.ask(fmt.Sprintf("/api/v1/label/%s/values", m[2]), url.Values{"match[]": {m[1]}}, &values)
	return len(values) > 0
}
