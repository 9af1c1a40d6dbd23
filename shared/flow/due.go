package flow

import (
	"time"
)

// Due says what to do about the fires that have come due.
type Due struct {
	Run     []time.Time // start these now, oldest first
	Skipped []time.Time // do not start these, oldest first: each leaves a row in the task's history
	More    int         // fires before those that were skipped too, and are only counted
	Next    time.Time   // the next expected fire; zero for never
}

// Due decides what to do at now about a fire that was expected at a time, and about all others that have
// come due since. Each fire is in Run or in Skipped, or counted in More (which is a lower bound for a cron
// schedule nobody looked at for longer than maxWalk fires).
func (s *Schedule) Due(expected, now time.Time) Due {
	if expected.IsZero() || s.At(expected).After(now) {
		return Due{Next: expected}
	}
	slots, more, next := s.slots(expected, now)
	window, most := s.grace, 1
	switch s.misfire {
	case MisfireSkip:
		window = punctual
	case MisfireAll:
		most = MaxCatchUp
	}
	first := max(0, len(slots)-most)
	for first < len(slots) && now.Sub(s.At(slots[first])) > window {
		first++
	}
	return Due{Run: slots[first:], Skipped: slots[:first], More: more, Next: next}
}

// slots returns the newest fires from expected to now, how many came before them, and the one after now.
func (s *Schedule) slots(expected, now time.Time) (slots []time.Time, more int, next time.Time) {
	const most = MaxSkipped
	if s.every > 0 {
		n := int(now.Sub(expected)/s.every) + 1
		if newest := expected.Add(time.Duration(n-1) * s.every); s.At(newest).After(now) {
			n--
		}
		more = max(0, n-most)
		for i := more; i < n; i++ {
			slots = append(slots, expected.Add(time.Duration(i)*s.every))
		}
		return slots, more, expected.Add(time.Duration(n) * s.every)
	}
	for next = expected; !next.IsZero() && !s.At(next).After(now); next = s.Next(next) {
		if slots = append(slots, next); len(slots) > most {
			slots = slots[1:]
			more++
		}
		if more == maxWalk && now.Add(-maxGrace).After(next) {
			next = now.Add(-maxGrace)
		}
	}
	return slots, more, next
}
