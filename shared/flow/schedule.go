package flow

import (
	"cmp"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/netresearch/go-cron"

	"github.com/hearthfaas/hearth/shared/fault"
)

// The values of Trigger.Type.
const (
	Cron    = "cron"
	Every   = "every"
	At      = "at"
	Webhook = "webhook"
	Message = "message"
	Manual  = "manual"
)

// The values of Trigger.Misfire.
const (
	MisfireSkip = "skip" // run only what is due right now
	MisfireOnce = "once" // run the newest missed fire that is within the grace
	MisfireAll  = "all"  // run each missed fire that is within the grace, the newest MaxCatchUp at most
)

// The values of Trigger.Overlap.
const (
	OverlapSkip  = "skip"
	OverlapQueue = "queue"
	OverlapAllow = "allow"
)

// Bounds of schedules.
const (
	MaxCatchUp = 24
	MaxSkipped = 500 // fires that one Due tells of; the ledger keeps as many rows of a task

	minEvery     = time.Second
	maxEvery     = 366 * 24 * time.Hour
	defaultGrace = time.Hour
	maxGrace     = 31 * 24 * time.Hour
	punctual     = time.Minute // a fire this late is not a missed one
	searchYears  = 10          // 29 February can be 8 years away
	maxWalk      = 100_000     // slots that Due looks at one by one: 69 days of minutes
	maxJitter    = 24 * time.Hour
)

// Timed reports whether the trigger fires by the clock.
func (t Trigger) Timed() bool { return t.Type == Cron || t.Type == Every || t.Type == At }

// wallSchedule returns the next slot strictly after a wall time, or the zero time. Wall times are written
// as times in UTC, where every day has all its hours.
type wallSchedule func(after time.Time) time.Time

// Schedule says when a trigger fires. It is a value without state: the ledger keeps the expected fire.
type Schedule struct {
	zone    *time.Location
	wall    wallSchedule  // cron
	workday wallSchedule  // cron on all days, or on Monday to Friday: the same on each day of the week; else nil
	hourly  bool          // cron: runs in each hour of the day
	every   time.Duration // every
	once    time.Time     // at
	misfire string
	grace   time.Duration
	jitter  time.Duration
	expect  time.Duration // 0: nobody waits for its runs
	task    string        // whose schedule it is: its slots are delayed in a way of their own
}

// NewSchedule compiles a timed trigger. The zone is the default for one that names none; calendar is the one
// that the trigger names, or nil.
func NewSchedule(t Trigger, zone *time.Location, calendar *Calendar) (*Schedule, error) {
	s := &Schedule{zone: zone, misfire: cmp.Or(t.Misfire, MisfireOnce), grace: defaultGrace}
	var err error
	if t.Timezone != "" {
		if s.zone, err = loadZone(t.Timezone); err != nil {
			return nil, err
		}
	}
	if t.Grace != "" {
		if s.grace, err = span(t.Grace, punctual, maxGrace, "trigger.grace"); err != nil {
			return nil, err
		}
	}
	if t.Jitter != "" {
		if s.jitter, err = span(t.Jitter, minEvery, maxJitter, "trigger.jitter"); err != nil {
			return nil, err
		}
	}
	if t.Expect != "" {
		if s.expect, err = span(t.Expect, minEvery, maxGrace, "trigger.expect"); err != nil {
			return nil, err
		}
	}
	if s.expect > 0 && s.expect <= s.jitter {
		return nil, fault.New(fault.Invalid, "%s is not longer than the jitter, %s: a run could not begin in time", t.Expect, t.Jitter).At("trigger.expect")
	}
	switch t.Type {
	case Cron:
		err = s.cron(t)
	case Every:
		s.every, err = span(t.Schedule, minEvery, maxEvery, "trigger.schedule")
	case At:
		s.once, err = pointInTime(t.Schedule, s.zone)
	default:
		err = fault.New(fault.Invalid, "a %s trigger has no times", t.Type).At("trigger.type")
	}
	if err == nil && t.Calendar != "" {
		err = s.keepTo(calendar, t)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Zone returns the zone in which the schedule is meant. The {{date}} of its runs is a day there.
func (s *Schedule) Zone() *time.Location { return s.zone }

// loadZone loads a zone by its IANA name. "Local" would be another one on each host.
func loadZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fault.As(fault.Invalid, err, "%q is no time zone; write Asia/Shanghai, Europe/Berlin or UTC", name).At("trigger.timezone")
	}
	return zone, nil
}

// span parses a duration such as 90m or 7d.
func span(text string, least, most time.Duration, place string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(min(n, 1000)) * 24 * time.Hour
	}
	if err != nil {
		return 0, fault.New(fault.Invalid, "%q is no duration; write 30s, 15m, 2h or 7d", text).At(place)
	}
	if d < least || d > most {
		return 0, fault.New(fault.Invalid, "%s is not between %s and %s", text, least, most).At(place)
	}
	return d, nil
}

// parser reads the five fields of crontab(5), with its rule for days: when day of month and day of week are
// both given, either is enough. L, W and # work too: "0 18 LW * *" is the last weekday of each month.
var parser = cron.MustNewParser(
	cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.Extended | cron.DowOrDom,
).WithMaxSearchYears(searchYears)

// cron compiles a cron schedule, which may begin with CRON_TZ=Zone.
func (s *Schedule) cron(t Trigger) error {
	fields := strings.TrimSpace(t.Schedule)
	if name, rest, ok := zoneInSchedule(fields); ok {
		if t.Timezone != "" && t.Timezone != name {
			return fault.New(fault.Invalid, "the schedule says %s and timezone says %s", name, t.Timezone).At("trigger.schedule")
		}
		zone, err := loadZone(name)
		if err != nil {
			return err
		}
		s.zone, fields = zone, rest
	}
	parsed, err := parser.Parse(fields)
	spec, ok := parsed.(*cron.SpecSchedule)
	if err == nil && !ok {
		return fault.New(fault.Invalid, "%q is no cron schedule", t.Schedule).Try(`write {"type": "every", "schedule": "15m"}`).At("trigger.schedule")
	}
	if err != nil {
		return fault.As(fault.Invalid, err, "%q is no cron schedule: %v", t.Schedule, err).
			Try(`five fields: minute hour day month weekday, as in "0 9 * * 1-5"`).At("trigger.schedule")
	}
	const hours = 1<<24 - 1
	s.wall, s.hourly = spec.Next, bits.OnesCount64(spec.Hour&hours) == 24
	s.workday = workdays(spec)
	// Any year will do to see whether the fields allow a day at all; this one begins before a leap day.
	if spec.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return fault.New(fault.Invalid, "%q never comes", t.Schedule).At("trigger.schedule")
	}
	return nil
}

// workdays returns a schedule of all days or of Monday to Friday as one of all days, and nil for any other.
func workdays(spec *cron.SpecSchedule) wallSchedule {
	const (
		month   = 1<<32 - 2 // its days, 1 to 31
		week    = 1<<7 - 1  // from Sunday
		weekend = 1 | 1<<6
	)
	if len(spec.DomConstraints) > 0 || len(spec.DowConstraints) > 0 || spec.Dom&month != month {
		return nil
	}
	if days := spec.Dow & week; days != week && days != week&^weekend {
		return nil
	}
	daily := *spec
	daily.Dow |= week
	return daily.Next
}

// zoneInSchedule takes CRON_TZ=Zone, or TZ=Zone, off the front of a cron schedule.
func zoneInSchedule(schedule string) (zone, fields string, ok bool) {
	first, fields, _ := strings.Cut(schedule, " ")
	name, zone, ok := strings.Cut(first, "=")
	if !ok || name != "CRON_TZ" && name != "TZ" {
		return "", schedule, false
	}
	return zone, strings.TrimSpace(fields), true
}

func (s *Schedule) keepTo(calendar *Calendar, t Trigger) error {
	if t.Type != Cron {
		return fault.New(fault.Invalid, "a calendar goes with cron only").At("trigger.calendar")
	}
	if calendar == nil {
		return fault.New(fault.Invalid, "there is no calendar %q", t.Calendar).At("trigger.calendar").
			Try("hearth calendar apply " + t.Calendar + " -f FILE")
	}
	if s.workday != nil {
		s.wall = calendar.keep(s.workday)
	} else {
		s.wall = calendar.shift(s.wall)
	}
	return nil
}

// pointInTime reads RFC 3339, or a date and time of day in zone.
func pointInTime(text string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.In(zone), nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if wall, err := time.Parse(layout, text); err == nil {
			return onlySlot(wall, zone), nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "%q is no point in time; write 2026-01-31 09:00 or 2026-01-31T09:00:00+08:00", text).At("trigger.schedule")
}

// onlySlot returns the instant of a wall time, by the rules of Next.
func onlySlot(wall time.Time, zone *time.Location) time.Time {
	s := Schedule{zone: zone, wall: func(after time.Time) time.Time {
		if wall.After(after) {
			return wall
		}
		return time.Time{}
	}}
	return s.Next(wall.Add(-48 * time.Hour))
}

// Next returns the first fire strictly after a time, or the zero time when there is none.
//
// A cron schedule means the clock on the wall. Where clocks go forward, a fire in the hour that does not
// exist comes at the first instant after it. Where they go back, a fire in the hour that comes twice comes
// in its first pass only. A schedule that runs in each hour of the day instead keeps its pace: it has no
// extra fire for the missing hour and fires in both passes of the double one.
func (s *Schedule) Next(after time.Time) time.Time {
	switch {
	case s.every > 0:
		return after.Add(s.every)
	case !s.once.IsZero() && s.once.After(after):
		return s.once
	case s.wall == nil:
		return time.Time{}
	}
	for t := after.In(s.zone); ; {
		start, end := t.ZoneBounds()
		_, offset := t.Zone()
		from := after
		if start.After(after) {
			from = start.Add(-1)
		}
		slot := s.wall(wallTime(from, offset))
		if passed, ok := s.passed(start, offset); ok && !slot.IsZero() && slot.Before(passed) {
			slot = s.wall(passed.Add(-1))
		}
		if slot.IsZero() {
			return time.Time{}
		}
		at := slot.Add(-seconds(offset)).In(s.zone)
		if end.IsZero() || at.Before(end) {
			return at
		}
		if s.missing(slot, end, offset) {
			return end
		}
		t = end
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// wallTime returns what a clock shows at t that is offset seconds ahead of UTC, written as a time in UTC.
func wallTime(t time.Time, offset int) time.Time { return t.UTC().Add(seconds(offset)) }

// passed returns the wall time that clocks had already shown when they were put back at start, if they
// were: slots before it have had their turn.
func (s *Schedule) passed(start time.Time, offset int) (time.Time, bool) {
	if s.hourly || start.IsZero() {
		return time.Time{}, false
	}
	_, before := start.Add(-1).Zone()
	return wallTime(start, before), before > offset
}

// missing reports whether clocks never show the wall time of slot because they are put forward at end. A
// whole day that a country leaves out has no fire.
func (s *Schedule) missing(slot, end time.Time, offset int) bool {
	_, ahead := end.Zone()
	return !s.hourly && seconds(ahead-offset) < 24*time.Hour && slot.Before(wallTime(end, ahead))
}
