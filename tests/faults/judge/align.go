package main

import (
	"slices"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// align says which answer of a chat belongs to which message, -1 for none: both in their order, and of all ways to
// read them one that leaves the fewest messages without an answer and answers without a message. Most answers name
// their message; of the others nobody can see it.
func (j *judge) align(messages []record.Posted, order []said) []int {
	// best[i][k] is how much of messages[i:] and order[k:] fits.
	best := make([][]int, len(messages)+1)
	for i := range best {
		best[i] = make([]int, len(order)+1)
	}
	pair := func(i, k int) int {
		if !j.fits(order[k], messages[i]) {
			return -1
		}
		return best[i+1][k+1] + worth(order[k])
	}
	for i := len(messages) - 1; i >= 0; i-- {
		for k := len(order) - 1; k >= 0; k-- {
			best[i][k] = max(best[i+1][k], best[i][k+1], pair(i, k))
		}
	}
	answers := slices.Repeat([]int{-1}, len(messages))
	for i, k := 0, 0; i < len(messages) && k < len(order); {
		switch best[i][k] {
		case pair(i, k):
			answers[i] = k
			i, k = i+1, k+1
		case best[i+1][k]:
			i++
		default:
			k++
		}
	}
	return answers
}

// worth is what is gained by an answer that belongs to a message: that the message has one, and that an answer which is
// no copy is accounted for.
func worth(s said) int {
	if s.optional() {
		return 1
	}
	return 2
}
