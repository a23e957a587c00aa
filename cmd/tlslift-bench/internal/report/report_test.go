package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/bench"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/machine"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/subject"
)

func result() *bench.Result {
	return &bench.Result{
		Command: "tlslift-bench", Rounds: 2, Machine: machine.Machine{OS: "linux", Cores: 2},
		Subjects: []subject.Subject{
			{ID: "tlslift", Title: "tlslift"}, {ID: "haproxy", Title: "HAProxy", Version: "2.6"}, {ID: "nginx", Title: "nginx <stream>"},
			{ID: "squid", Title: "Squid", Skipped: "is not installed"},
		},
		Figures: []bench.Figure{
			{Work: "upload", Title: "upload | a", Unit: "s", Digits: 2, Ratio: 1.5, Cells: map[string]bench.Cell{
				"tlslift": {Status: bench.Measured, Median: 3, Spread: 0.1, Samples: []float64{2.9, 3.1}},
				"haproxy": {Status: bench.Measured, Median: 2, Samples: []float64{2, 2}},
				"nginx":   {Status: bench.Refused, Why: "handshake <failed> 100%d"},
				"squid":   {Status: bench.None, Why: "is not installed"},
			}},
			{Work: "mail", Title: "mail", Unit: "ms", Cells: map[string]bench.Cell{
				"tlslift": {Status: bench.Measured, Median: 217, Samples: []float64{217}},
				"haproxy": {Status: bench.None, Why: "has no STARTTLS"},
				"nginx":   {Status: bench.Refused, Why: "handshake <failed> 100%d"},
				"squid":   {Status: bench.None, Why: "is not installed"},
			}},
		},
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	written := map[string]string{}
	for _, f := range Formats() {
		var b strings.Builder
		if err := f.Write(&b, result()); err != nil {
			t.Fatal(err)
		}
		written[f.Name] = b.String()
	}
	for _, name := range []string{"table", "markdown"} {
		for _, want := range []string{
			"3.00 (7 %)", "217", "refused", "1.50", "HAProxy 2.6",
			"nginx <stream> refused upload, mail: handshake <failed> 100%d.",
			"HAProxy takes no part in mail: it has no STARTTLS.",
			"Squid takes no part: it is not installed.",
		} {
			want = strings.Replace(want, "(7 %)", "(10 %)", 1)
			if !strings.Contains(written[name], want) {
				t.Errorf("%s lacks %q:\n%s", name, want, written[name])
			}
		}
	}
	for line := range strings.Lines(written["markdown"]) {
		if n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); n != 0 && n != 7 {
			t.Errorf("a row of Markdown with %d bars: %s", n, line)
		}
	}
	var r bench.Result
	if err := json.Unmarshal([]byte(written["json"]), &r); err != nil || r.Figures[0].Cells["nginx"].Status != bench.Refused {
		t.Errorf("JSON: %+v, %v", r, err)
	}
	for d := xml.NewDecoder(strings.NewReader(written["svg"])); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("SVG: %v\n%s", err, written["svg"])
		}
	}
	// tlslift and HAProxy have a bar in the first panel, tlslift alone in the second.
	if n := strings.Count(written["svg"], colourOurs) + strings.Count(written["svg"], colourPeer); n != 3 {
		t.Errorf("SVG has %d bars:\n%s", n, written["svg"])
	}
}
