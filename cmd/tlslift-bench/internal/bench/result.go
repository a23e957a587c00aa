package bench

import (
	"math"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/machine"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/stats"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/subject"
)

// A Result is all that a comparison has found.
type Result struct {
	Command  string            `json:"command"`
	Machine  machine.Machine   `json:"machine"`
	Rounds   int               `json:"rounds"`
	Quick    bool              `json:"quick"` // too little was done to compare
	Subjects []subject.Subject `json:"subjects"`
	Figures  []Figure          `json:"figures"`
}

// A Figure is one row: the same number of each subject. Less is better.
type Figure struct {
	Work   string          `json:"work"`
	Key    string          `json:"key"`
	Title  string          `json:"title"`
	Unit   string          `json:"unit"`
	About  string          `json:"about"`
	Count  int             `json:"count"` // of connections, mails or bytes, in each round
	Digits int             `json:"digits"`
	Cells  map[string]Cell `json:"cells"` // by the ID of the subject
	// Ratio is what tlslift's median is to that of the best peer; 0 if one is missing.
	Ratio float64 `json:"ratio,omitempty"`
	Best  string  `json:"best,omitempty"` // that peer
}

// A Cell is what a figure is for one subject.
type Cell struct {
	Status  Status    `json:"status"`
	Why     string    `json:"why,omitempty"` // if it was not measured
	Log     string    `json:"log,omitempty"` // the end of the subject's log, if it refused
	Median  float64   `json:"median"`
	Spread  float64   `json:"spread"` // how far the extremes are apart, as a part of the median
	Samples []float64 `json:"samples,omitempty"`
	// Ratio is what this is to tlslift in the same round, in the median; 0 if one is missing.
	Ratio float64 `json:"ratio,omitempty"`
}

// A Status is whether a cell has a number.
type Status string

// The statuses of a cell.
const (
	Measured Status = "measured"
	Refused  Status = "refused" // the subject did not do the work, or not all of it
	None     Status = "none"    // the subject takes no part
)

// summarize fills in what follows from the samples. Quick ones are too few for a ratio.
func (f *Figure) summarize(order []subject.Subject, quick bool) {
	base := f.Cells[subject.TLSLift]
	for id, c := range f.Cells {
		if c.Status != Measured {
			continue
		}
		c.Median, c.Spread = stats.Median(c.Samples), stats.Spread(c.Samples)
		if r := stats.PairedRatio(c.Samples, base.Samples); !quick && base.Status == Measured && !math.IsNaN(r) {
			c.Ratio = r
		}
		f.Cells[id] = c
	}
	base = f.Cells[subject.TLSLift]
	best := math.Inf(1)
	for _, s := range order {
		if c := f.Cells[s.ID]; !s.Ours() && c.Status == Measured && c.Median < best {
			best, f.Best = c.Median, s.ID
		}
	}
	if !quick && base.Status == Measured && f.Best != "" && best > 0 {
		f.Ratio = base.Median / best
	}
}
