package main

import (
	"math"
	"slices"
	"time"
)

// quantile returns the q-th quantile by nearest rank: the least value that at least q of all are not over.
// It is NaN for no values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func median(values []float64) float64 { return quantile(values, .5) }

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// rate is how many a second n in d are.
func rate(n int, d time.Duration) float64 {
	if d <= 0 {
		return math.NaN()
	}
	return float64(n) / d.Seconds()
}
