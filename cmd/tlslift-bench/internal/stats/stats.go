// Package stats has the few statistics that a comparison needs. It assumes nothing of
// how values are distributed: medians and extremes, no means.
package stats

import (
	"math"
	"slices"
)

// Median returns the middle value, or the mean of the two in the middle; NaN of none.
func Median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// Percentile returns the smallest value that p percent of the values do not exceed (the
// nearest rank); NaN of none.
func Percentile(values []float64, p float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(n)))
	return s[min(max(rank, 1), n)-1]
}

// Spread returns how far the extremes are apart, as a part of the median; 0 of fewer than
// two values.
func Spread(values []float64) float64 {
	m := Median(values)
	if len(values) < 2 || m == 0 {
		return 0
	}
	return (slices.Max(values) - slices.Min(values)) / m
}

// PairedRatio returns the median of what a is to b in each round. What disturbs the
// machine in one round disturbs both. It is NaN if there is no round with both.
func PairedRatio(a, b []float64) float64 {
	var ratios []float64
	for i, v := range a {
		if i < len(b) && b[i] != 0 {
			ratios = append(ratios, v/b[i])
		}
	}
	return Median(ratios)
}
