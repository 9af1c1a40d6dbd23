package main

import (
	"slices"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// sortOut takes those answers out of a chat's that are copies: an answer without a name and with the mark of a repeat
// may be a copy of the one before it, or the first that was seen of the next. Of all ways to read them it takes one
// that leaves the fewest messages without an answer and answers without a message.
func (j *judge) sortOut(messages []record.Posted, order []said) []said {
	if !slices.ContainsFunc(order, said.optional) {
		return order
	}
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
	var kept []said
	i := 0
	for k := 0; k < len(order); {
		switch {
		case i < len(messages) && best[i][k] == pair(i, k):
			kept = append(kept, order[k])
			i, k = i+1, k+1
		case i < len(messages) && best[i][k] == best[i+1][k]:
			i++
		default:
			if !order[k].optional() {
				kept = append(kept, order[k])
			} else {
				j.Repeats++
			}
			k++
		}
	}
	return kept
}

// worth is what is gained by an answer that belongs to a message: that the message has one, and that an answer which is
// no copy is accounted for.
func worth(s said) int {
	if s.optional() {
		return 1
	}
	return 2
}
