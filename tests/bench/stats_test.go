package main

import (
	"math"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{hundred, .5, 50},
		{hundred, .99, 99},
		{hundred, 1, 100},
		{hundred, 0, 1},
		{[]float64{3, 1, 2}, .5, 2},
		{[]float64{4, 1}, .5, 1},
		{[]float64{7}, .99, 7},
		{hundred[:60], .99, 100},
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("the %v-quantile of %d values is %v, want %v", c.q, len(c.values), got, c.want)
		}
	}
	if got := quantile(nil, .5); !math.IsNaN(got) {
		t.Errorf("no values have the median %v", got)
	}
	if hundred[0] != 100 {
		t.Error("the values were sorted in place")
	}
}

func TestRate(t *testing.T) {
	if got := rate(50, 2*time.Second); got != 25 {
		t.Errorf("50 in 2 s are %v a second", got)
	}
	if got := rate(1, 0); !math.IsNaN(got) {
		t.Errorf("1 in no time is %v a second", got)
	}
}
