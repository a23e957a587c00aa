package bench

import (
	"testing"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/subject"
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	subjects := []subject.Subject{{ID: "tlslift"}, {ID: "tlslift-2"}, {ID: "haproxy"}, {ID: "nginx"}, {ID: "squid"}}
	cells := func() map[string]Cell {
		return map[string]Cell{
			"tlslift":   {Status: Measured, Samples: []float64{2, 20, 2}},
			"tlslift-2": {Status: Measured, Samples: []float64{0.5, 0.5, 0.5}}, // no peer
			"haproxy":   {Status: Measured, Samples: []float64{1, 10, 1}},
			"nginx":     {Status: Refused, Why: "it refused TLS 1.0"},
			"squid":     {Status: None},
		}
	}
	f := Figure{Cells: cells()}
	f.summarize(subjects, false)
	if f.Ratio != 2 || f.Best != "haproxy" {
		t.Errorf("%v times %s, want 2 times haproxy", f.Ratio, f.Best)
	}
	if c := f.Cells["haproxy"]; c.Median != 1 || c.Spread != 9 || c.Ratio != 0.5 {
		t.Errorf("haproxy: %+v", c)
	}
	if c := f.Cells["nginx"]; c.Median != 0 || c.Ratio != 0 {
		t.Errorf("what was refused has numbers: %+v", c)
	}

	quick := Figure{Cells: cells()}
	quick.summarize(subjects, true)
	if quick.Ratio != 0 || quick.Cells["haproxy"].Ratio != 0 {
		t.Errorf("a quick run compares: %+v", quick)
	}

	alone := Figure{Cells: map[string]Cell{"tlslift": {Status: Refused}, "haproxy": {Status: Measured, Samples: []float64{1}}}}
	alone.summarize(subjects, false)
	if alone.Ratio != 0 {
		t.Errorf("what tlslift refused was compared: %+v", alone)
	}
}

// Each work is complete, has a quick variant, and a mode that tlslift has.
func TestWorks(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, w := range works {
		if seen[w.name] {
			t.Errorf("%s is there twice", w.name)
		}
		seen[w.name] = true
		if w.about == "" || w.count <= 0 || w.quick <= 0 || w.quick >= w.count || w.warm <= 0 || len(w.figures) == 0 || w.run == nil {
			t.Errorf("%s is not complete: %+v", w.name, w)
		}
		for _, f := range w.figures {
			if f.value(outcome{n: 1, cpu: 1, seconds: []float64{1}, kib: 1, files: 1}) <= 0 {
				t.Errorf("%s: %s has no value", w.name, f.key)
			}
		}
	}
}
