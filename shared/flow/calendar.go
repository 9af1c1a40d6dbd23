package flow

import (
	"fmt"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/strictjson"
)

// Calendar says which days people work: Monday to Friday, less the holidays, plus the make-up workdays that
// some countries put on weekends (调休).
type Calendar struct {
	holidays map[string]bool
	workdays map[string]bool
}

// longestBreak bounds the search for a working day, in days.
const longestBreak = 366

// ParseCalendar reads {"holidays": ["2026-10-01", …], "workdays": ["2026-10-10", …]}. A day that is in both
// lists, or that is no day, is Invalid.
func ParseCalendar(raw []byte) (*Calendar, error) {
	var lists struct {
		Holidays []string `json:"holidays"`
		Workdays []string `json:"workdays"`
	}
	if err := strictjson.Decode(raw, &lists); err != nil {
		return nil, err
	}
	c := &Calendar{holidays: map[string]bool{}, workdays: map[string]bool{}}
	for i, day := range lists.Holidays {
		if err := checkDay(day); err != nil {
			return nil, err.At(fmt.Sprintf("holidays[%d]", i))
		}
		c.holidays[day] = true
	}
	for i, day := range lists.Workdays {
		if err := checkDay(day); err != nil {
			return nil, err.At(fmt.Sprintf("workdays[%d]", i))
		}
		if c.holidays[day] {
			return nil, fault.New(fault.Invalid, "%s is a holiday too", day).At(fmt.Sprintf("workdays[%d]", i))
		}
		c.workdays[day] = true
	}
	return c, nil
}

func checkDay(day string) *fault.Error {
	if _, err := time.Parse(dayLayout, day); err != nil {
		return fault.New(fault.Invalid, "%q is no day; write 2026-01-31", day)
	}
	return nil
}

// Workday reports whether people work on the day of t, in t's own zone.
func (c *Calendar) Workday(t time.Time) bool {
	day := t.Format(dayLayout)
	if c.holidays[day] {
		return false
	}
	return c.workdays[day] || t.Weekday() != time.Saturday && t.Weekday() != time.Sunday
}

// keep makes of a schedule that is the same on each day one that fires on working days only: holidays are left
// out, and make-up workdays on a weekend are taken.
func (c *Calendar) keep(next wallSchedule) wallSchedule {
	return func(after time.Time) time.Time {
		for range longestBreak {
			slot := next(after)
			if slot.IsZero() || c.Workday(slot) {
				return slot
			}
			after = midnight(slot).AddDate(0, 0, 1).Add(-1)
		}
		return time.Time{}
	}
}

// shift makes of a schedule in wall time one that keeps to working days: a slot on a day off moves to the
// next working day, to the same time of day, where it may meet a slot of that day and become one with it.
// So a monthly schedule, or one of a certain weekday, is late rather than left out.
func (c *Calendar) shift(next wallSchedule) wallSchedule {
	return func(after time.Time) time.Time {
		day := midnight(after)
		for range 2 { // the second round finds the slot that the first saw coming
			work := c.onOrAfter(day)
			if work.IsZero() {
				return time.Time{}
			}
			if slot := c.earliest(next, work, after); !slot.IsZero() {
				return slot
			}
			later := next(work.AddDate(0, 0, 1).Add(-1))
			if later.IsZero() {
				return time.Time{}
			}
			day = midnight(later)
		}
		return time.Time{}
	}
}

func midnight(wall time.Time) time.Time { return wall.Truncate(24 * time.Hour) }

// onOrAfter returns the first working day from day on, or the zero time where there is none in sight.
func (c *Calendar) onOrAfter(day time.Time) time.Time {
	for range longestBreak {
		if c.Workday(day) {
			return day
		}
		day = day.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// earliest returns the first slot after a time among those of the working day and of the days off before
// it, or the zero time.
func (c *Calendar) earliest(next wallSchedule, work, after time.Time) time.Time {
	var first time.Time
	floor := max(after.Sub(work), -1) // time of day; -1 lets midnight itself in
	for day, n := work, 0; n == 0 || n < longestBreak && !c.Workday(day); day, n = day.AddDate(0, 0, -1), n+1 {
		slot := next(day.Add(floor))
		if slot.IsZero() || !slot.Before(day.AddDate(0, 0, 1)) {
			continue
		}
		if slot = work.Add(slot.Sub(day)); first.IsZero() || slot.Before(first) {
			first = slot
		}
	}
	return first
}
