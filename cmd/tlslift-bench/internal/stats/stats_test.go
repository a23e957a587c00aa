package stats

import (
	"math"
	"testing"
)

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func TestStatistics(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	tests := []struct {
		name      string
		got, want float64
	}{
		{"median of none", Median(nil), nan},
		{"median of one", Median([]float64{7}), 7},
		{"median of three", Median([]float64{9, 1, 5}), 5},
		{"median of four", Median([]float64{9, 1, 5, 3}), 4},
		{"p50 of four", Percentile([]float64{4, 3, 2, 1}, 50), 2},
		{"p99 of four", Percentile([]float64{4, 3, 2, 1}, 99), 4},
		{"p0 is the least", Percentile([]float64{4, 3, 2, 1}, 0), 1},
		{"percentile of none", Percentile(nil, 50), nan},
		{"spread of one", Spread([]float64{3}), 0},
		{"spread", Spread([]float64{9, 10, 12}), 0.3},
		{"spread of zeros", Spread([]float64{0, 0}), 0},
		{"a slow round slows both", PairedRatio([]float64{2, 20, 2}, []float64{1, 10, 1}), 2},
		{"rounds that only one has", PairedRatio([]float64{2, 5}, []float64{1}), 2},
		{"division by zero is left out", PairedRatio([]float64{2, 3}, []float64{0, 1}), 3},
		{"no pair", PairedRatio(nil, []float64{1}), nan},
	}
	for _, tt := range tests {
		if !same(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	values := []float64{3, 1, 2}
	Median(values)
	if values[0] != 3 {
		t.Error("the values were put in another order")
	}
}
