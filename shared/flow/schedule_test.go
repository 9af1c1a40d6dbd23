package flow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

// offsetLayout shows both the wall and the offset, so that the passes of a double hour can be told apart.
const offsetLayout = "Mon 2006-01-02 15:04 -07:00"

func schedule(t testing.TB, trigger flow.Trigger, calendar *flow.Calendar) *flow.Schedule {
	t.Helper()
	s, err := flow.NewSchedule(trigger, shanghai, calendar)
	if err != nil {
		t.Fatalf("%+v: %v", trigger, err)
	}
	return s
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// fires returns the next n fires after a time.
func fires(s *flow.Schedule, after time.Time, n int) []string {
	var list []string
	for range n {
		if after = s.Next(after); after.IsZero() {
			break
		}
		list = append(list, after.Format(offsetLayout))
	}
	return list
}

func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		schedule, zone, after string
		want                  []string
	}{
		"every morning":         {"0 9 * * *", "", "2026-03-01T00:30:00+08:00", []string{"Sun 2026-03-01 09:00 +08:00", "Mon 2026-03-02 09:00 +08:00"}},
		"strictly after":        {"0 9 * * *", "", "2026-03-01T09:00:00+08:00", []string{"Mon 2026-03-02 09:00 +08:00"}},
		"a nanosecond before":   {"0 9 * * *", "", "2026-03-01T00:59:59.999999999Z", []string{"Sun 2026-03-01 09:00 +08:00"}},
		"00:30 is UTC's eve":    {"30 0 1 * *", "", "2026-02-28T16:00:00Z", []string{"Sun 2026-03-01 00:30 +08:00", "Wed 2026-04-01 00:30 +08:00"}},
		"the same in UTC":       {"30 0 1 * *", "UTC", "2026-02-28T16:00:00Z", []string{"Sun 2026-03-01 00:30 +00:00"}},
		"zone in the schedule":  {"CRON_TZ=Asia/Tokyo 0 9 * * *", "", "2026-03-01T00:30:00Z", []string{"Mon 2026-03-02 09:00 +09:00"}},
		"the same zone twice":   {"TZ=Asia/Tokyo 0 9 * * *", "Asia/Tokyo", "2026-03-01T00:30:00Z", []string{"Mon 2026-03-02 09:00 +09:00"}},
		"@daily":                {"@daily", "", "2026-03-01T00:00:00+08:00", []string{"Mon 2026-03-02 00:00 +08:00"}},
		"@hourly":               {"@hourly", "", "2026-03-01T00:00:01+08:00", []string{"Sun 2026-03-01 01:00 +08:00"}},
		"@weekly":               {"@weekly", "", "2026-03-01T00:00:00+08:00", []string{"Sun 2026-03-08 00:00 +08:00"}},
		"weekdays":              {"0 9 * * 1-5", "", "2026-03-06T09:00:00+08:00", []string{"Mon 2026-03-09 09:00 +08:00"}},
		"names, in any case":    {"0 9 * JAN,feb Mon", "", "2026-01-01T00:00:00Z", []string{"Mon 2026-01-05 09:00 +08:00"}},
		"Sunday is 7 too":       {"0 9 * * 7", "", "2026-03-02T00:00:00Z", []string{"Sun 2026-03-08 09:00 +08:00"}},
		"either day is enough":  {"0 9 13 * 5", "", "2026-03-01T00:00:00Z", []string{"Fri 2026-03-06 09:00 +08:00", "Fri 2026-03-13 09:00 +08:00", "Fri 2026-03-20 09:00 +08:00"}},
		"31st":                  {"0 0 31 * *", "", "2026-01-31T00:00:00Z", []string{"Tue 2026-03-31 00:00 +08:00"}},
		"30th skips February":   {"0 0 30 * *", "", "2026-01-30T00:00:00+08:00", []string{"Mon 2026-03-30 00:00 +08:00"}},
		"last day of a month":   {"0 23 L * *", "", "2028-01-31T23:00:00+08:00", []string{"Tue 2028-02-29 23:00 +08:00", "Fri 2028-03-31 23:00 +08:00"}},
		"into the next year":    {"59 23 31 12 *", "", "2026-12-31T23:59:00+08:00", []string{"Fri 2027-12-31 23:59 +08:00"}},
		"the first of a year":   {"0 0 1 1 *", "", "2026-12-31T23:59:59+08:00", []string{"Fri 2027-01-01 00:00 +08:00"}},
		"weeks over a new year": {"0 9 * * 1", "", "2026-12-28T09:00:00+08:00", []string{"Mon 2027-01-04 09:00 +08:00"}},
		"leap day":              {"0 0 29 2 *", "", "2026-01-01T00:00:00Z", []string{"Tue 2028-02-29 00:00 +08:00"}},
		"no leap day in 2100":   {"0 0 29 2 *", "", "2096-03-01T00:00:00Z", []string{"Fri 2104-02-29 00:00 +08:00"}},
		"last weekday":          {"0 18 LW * *", "", "2026-01-01T00:00:00Z", []string{"Fri 2026-01-30 18:00 +08:00", "Fri 2026-02-27 18:00 +08:00"}},
		"third Friday":          {"0 9 * * FRI#3", "", "2026-03-01T00:00:00Z", []string{"Fri 2026-03-20 09:00 +08:00"}},
		"steps and lists":       {"5/20 8,20 * * *", "", "2026-03-01T08:06:00+08:00", []string{"Sun 2026-03-01 08:25 +08:00", "Sun 2026-03-01 08:45 +08:00", "Sun 2026-03-01 20:05 +08:00"}},
		"over the end of a day": {"0 22-1 * * *", "", "2026-03-01T22:30:00+08:00", []string{"Sun 2026-03-01 23:00 +08:00", "Mon 2026-03-02 00:00 +08:00", "Mon 2026-03-02 01:00 +08:00", "Mon 2026-03-02 22:00 +08:00"}},

		// Clocks go forward: in New York 02:00 becomes 03:00 on 8 March 2026.
		"the missing hour":        {"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", []string{"Sun 2026-03-08 03:00 -04:00", "Mon 2026-03-09 02:30 -04:00"}},
		"from within the gap":     {"30 2 * * *", "America/New_York", "2026-03-08T06:59:59Z", []string{"Sun 2026-03-08 03:00 -04:00", "Mon 2026-03-09 02:30 -04:00"}},
		"once for all of the gap": {"*/10 2 * * *", "America/New_York", "2026-03-08T05:00:00Z", []string{"Sun 2026-03-08 03:00 -04:00", "Mon 2026-03-09 02:00 -04:00"}},
		"meets the next slot":     {"0 2,3 * * *", "America/New_York", "2026-03-08T05:00:00Z", []string{"Sun 2026-03-08 03:00 -04:00", "Mon 2026-03-09 02:00 -04:00"}},
		"hourly keeps its pace":   {"30 * * * *", "America/New_York", "2026-03-08T06:00:00Z", []string{"Sun 2026-03-08 01:30 -05:00", "Sun 2026-03-08 03:30 -04:00"}},
		"before the gap":          {"59 1 * * *", "America/New_York", "2026-03-08T05:00:00Z", []string{"Sun 2026-03-08 01:59 -05:00", "Mon 2026-03-09 01:59 -04:00"}},
		"gap at midnight":         {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", []string{"Sun 2018-11-04 01:00 -02:00", "Mon 2018-11-05 00:00 -02:00"}},
		"gap of half an hour":     {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", []string{"Sun 2026-10-04 02:30 +11:00", "Mon 2026-10-05 02:15 +11:00"}},
		"a day that never was":    {"0 9 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", []string{"Thu 2011-12-29 09:00 -10:00", "Sat 2011-12-31 09:00 +14:00"}},

		// Clocks go back: in New York 02:00 becomes 01:00 on 1 November 2026.
		"the double hour":         {"30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", []string{"Sun 2026-11-01 01:30 -04:00", "Mon 2026-11-02 01:30 -05:00"}},
		"from within second pass": {"30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", []string{"Mon 2026-11-02 01:30 -05:00"}},
		"first pass only":         {"*/20 1,2 * * *", "America/New_York", "2026-11-01T05:30:00Z", []string{"Sun 2026-11-01 01:40 -04:00", "Sun 2026-11-01 02:00 -05:00"}},
		"hourly fires in both":    {"0 * * * *", "America/New_York", "2026-11-01T04:00:00Z", []string{"Sun 2026-11-01 01:00 -04:00", "Sun 2026-11-01 01:00 -05:00", "Sun 2026-11-01 02:00 -05:00"}},
		"midnight comes twice":    {"30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00Z", []string{"Sat 2018-02-17 23:30 -02:00", "Sun 2018-02-18 23:30 -03:00"}},
		"midnight once":           {"0 0 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00Z", []string{"Sun 2018-02-18 00:00 -03:00", "Mon 2018-02-19 00:00 -03:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := schedule(t, flow.Trigger{Type: flow.Cron, Schedule: c.schedule, Timezone: c.zone}, nil)
			if got := fires(s, instant(t, c.after), len(c.want)); !slices.Equal(got, c.want) {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestEveryAndAt(t *testing.T) {
	every := schedule(t, flow.Trigger{Type: flow.Every, Schedule: "1d"}, nil)
	if got := fires(every, instant(t, "2026-03-01T00:30:00+08:00"), 2); !slices.Equal(got, []string{"Mon 2026-03-02 00:30 +08:00", "Tue 2026-03-03 00:30 +08:00"}) {
		t.Error(got)
	}
	// A duration is one by the clock that never changes: the wall moves where a country changes its clocks.
	quarter := schedule(t, flow.Trigger{Type: flow.Every, Schedule: "12h", Timezone: "America/New_York"}, nil)
	for after, want := range map[string][]string{
		"2026-03-07T21:00:00-05:00": {"Sun 2026-03-08 10:00 -04:00", "Sun 2026-03-08 22:00 -04:00"},
		"2026-10-31T21:00:00-04:00": {"Sun 2026-11-01 08:00 -05:00", "Sun 2026-11-01 20:00 -05:00"},
		"2028-02-28T18:00:00-05:00": {"Tue 2028-02-29 06:00 -05:00", "Tue 2028-02-29 18:00 -05:00"},
		"2026-12-31T18:00:00-05:00": {"Fri 2027-01-01 06:00 -05:00", "Fri 2027-01-01 18:00 -05:00"},
	} {
		if got := fires(quarter, instant(t, after).In(quarter.Zone()), 2); !slices.Equal(got, want) {
			t.Errorf("after %s: %q", after, got)
		}
	}
	for at, want := range map[string]string{
		"2026-03-01 09:00":          "2026-03-01T09:00:00+08:00",
		"2026-03-01T09:00:30":       "2026-03-01T09:00:30+08:00",
		"2026-03-01T09:00:00+01:00": "2026-03-01T16:00:00+08:00",
	} {
		s := schedule(t, flow.Trigger{Type: flow.At, Schedule: at}, nil)
		got := s.Next(instant(t, "2026-01-01T00:00:00Z"))
		if got.Format(time.RFC3339) != want || !s.Next(got).IsZero() {
			t.Errorf("%s: %v, then %v", at, got, s.Next(got))
		}
	}
	// Points of the clock that come never, or twice.
	for at, want := range map[string]string{"2026-03-08 02:30": "2026-03-08T03:00:00-04:00", "2026-11-01 01:30": "2026-11-01T01:30:00-04:00"} {
		s := schedule(t, flow.Trigger{Type: flow.At, Schedule: at, Timezone: "America/New_York"}, nil)
		if got := s.Next(instant(t, "2026-01-01T00:00:00Z")).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s", at, got)
		}
	}
}

func TestScheduleRefused(t *testing.T) {
	for _, c := range []struct {
		trigger flow.Trigger
		says    string
	}{
		{flow.Trigger{Type: "cron", Schedule: "0 9 * *"}, `trigger.schedule: "0 9 * *" is no cron schedule`},
		{flow.Trigger{Type: "cron", Schedule: "61 9 * * *"}, "is no cron schedule"},
		{flow.Trigger{Type: "cron", Schedule: "0 0 9 * * *"}, "is no cron schedule"},
		{flow.Trigger{Type: "cron", Schedule: ""}, "is no cron schedule"},
		{flow.Trigger{Type: "cron", Schedule: "H 9 * * *"}, "is no cron schedule"},
		{flow.Trigger{Type: "cron", Schedule: "@every 5m"}, `"every"`},
		{flow.Trigger{Type: "cron", Schedule: "@reboot"}, "is no cron schedule"},
		{flow.Trigger{Type: "cron", Schedule: "0 0 30 2 *"}, "never comes"},
		{flow.Trigger{Type: "cron", Schedule: "CRON_TZ=UTC 0 9 * * *", Timezone: "Asia/Tokyo"}, "says UTC and timezone says Asia/Tokyo"},
		{flow.Trigger{Type: "cron", Schedule: "CRON_TZ=Mars/Base 0 9 * * *"}, "trigger.timezone"},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Timezone: "Asia/Peking"}, `"Asia/Peking" is no time zone`},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Timezone: "Local"}, "is no time zone"},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Timezone: "../../etc/passwd"}, "is no time zone"},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Grace: "5s"}, "trigger.grace"},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Grace: "2 hours"}, "is no duration"},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Calendar: "cn"}, `no calendar "cn"`},
		{flow.Trigger{Type: "every", Schedule: "1h", Calendar: "cn"}, "cron only"},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Jitter: "soon"}, "trigger.jitter"},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Jitter: "25h"}, "is not between"},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Expect: "0s"}, "trigger.expect"},
		{flow.Trigger{Type: "cron", Schedule: "0 9 * * *", Expect: "5m", Jitter: "5m"}, "not longer than the jitter"},
		{flow.Trigger{Type: "every", Schedule: "100ms"}, "is not between 1s and"},
		{flow.Trigger{Type: "every", Schedule: "9999999d"}, "is not between"},
		{flow.Trigger{Type: "every", Schedule: "-1h"}, "is not between"},
		{flow.Trigger{Type: "every", Schedule: "hourly"}, "is no duration"},
		{flow.Trigger{Type: "at", Schedule: "tomorrow"}, "is no point in time"},
		{flow.Trigger{Type: "at", Schedule: "2026-02-30 09:00"}, "is no point in time"},
		{flow.Trigger{Type: "webhook"}, "has no times"},
	} {
		s, err := flow.NewSchedule(c.trigger, shanghai, nil)
		if err == nil || s != nil || !strings.Contains(fault.Text(err), c.says) {
			t.Errorf("%+v: %s", c.trigger, fault.Text(err))
		}
	}
}

// zones are those with the strangest clocks.
var zones = []string{
	"America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo", "Asia/Shanghai", "UTC",
	"Pacific/Chatham", "Africa/Casablanca", "America/Nuuk", "Antarctica/Troll", "Asia/Tehran", "America/Santiago",
}

// A daily schedule fires once on each day that there is, at its time of day where the clock shows that.
func TestDailyFiresOnceADay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := location(rapid.SampledFrom(zones).Draw(t, "zone"))
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		s, err := flow.NewSchedule(flow.Trigger{Type: flow.Cron, Schedule: fmt.Sprintf("%d %d * * *", minute, hour)}, zone, nil)
		if err != nil {
			t.Fatal(err)
		}
		// Where clocks leave out the end of a day (Nuuk, 30 March 2024), its fire is the first instant of the next.
		day := func(fire time.Time) time.Time {
			if fire.Hour()*60+fire.Minute() < hour*60+minute {
				fire = fire.Add(-time.Nanosecond)
			}
			y, m, d := fire.Date()
			return time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
		}
		at := s.Next(time.Unix(rapid.Int64Range(1_300_000_000, 2_000_000_000).Draw(t, "start"), 0))
		for range 400 {
			next := s.Next(at)
			if want := day(at).AddDate(0, 0, 1); !day(next).Equal(want) {
				t.Fatalf("after %v comes %v", at, next)
			}
			_, before := next.Add(-time.Nanosecond).Zone()
			_, offset := next.Zone()
			if shown := next.Hour()*60 + next.Minute(); shown != hour*60+minute && before >= offset {
				t.Fatalf("%v for %02d:%02d", next, hour, minute)
			}
			at = next
		}
	})
}

// Next agrees with a slow reading of the rules, minute by minute, around the days when clocks change.
func TestNextAgreesWithTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := location(rapid.SampledFrom(zones).Draw(t, "zone"))
		minutes := rapid.SliceOfNDistinct(rapid.SampledFrom([]int{0, 1, 15, 29, 30, 45, 59}), 1, 3, rapid.ID).Draw(t, "minutes")
		hours := rapid.SliceOfNDistinct(rapid.SampledFrom([]int{0, 1, 2, 3, 4, 22, 23}), 1, 4, rapid.ID).Draw(t, "hours")
		hourly := rapid.Bool().Draw(t, "hourly")
		fields := joinInts(minutes) + " " + joinInts(hours) + " * * *"
		if hourly {
			fields = joinInts(minutes) + " * * * *"
		}
		s, err := flow.NewSchedule(flow.Trigger{Type: flow.Cron, Schedule: fields}, zone, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Unix(rapid.Int64Range(1_300_000_000, 2_000_000_000).Draw(t, "start"), 0).In(zone)
		if _, change := start.ZoneBounds(); !change.IsZero() {
			start = change.Add(-26 * time.Hour)
		}
		start = start.Truncate(time.Minute)
		matches := func(wall time.Time) bool {
			return slices.Contains(minutes, wall.Minute()) && (hourly || slices.Contains(hours, wall.Hour()))
		}
		var want, got []string
		for at := start.Add(time.Minute); at.Before(start.Add(50 * time.Hour)); at = at.Add(time.Minute) {
			if firesAt(at, matches, hourly) {
				want = append(want, at.Format(offsetLayout))
			}
		}
		for at := s.Next(start); at.Before(start.Add(50 * time.Hour)); at = s.Next(at) {
			got = append(got, at.Format(offsetLayout))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s in %s after %v\n got %q\nwant %q", fields, zone, start, got, want)
		}
	})
}

// firesAt reads the rules as they are written down, for one minute.
func firesAt(at time.Time, matches func(wall time.Time) bool, hourly bool) bool {
	wall := func(at time.Time, offset int) time.Time { return at.UTC().Add(time.Duration(offset) * time.Second) }
	_, offset := at.Zone()
	start, _ := at.ZoneBounds()
	_, before := start.Add(-time.Second).Zone()
	change := time.Duration(offset-before) * time.Second
	if hourly || start.IsZero() {
		return matches(wall(at, offset))
	}
	if at.Equal(start) && change > 0 { // what the clock left out comes now
		for missing := wall(at, before); missing.Before(wall(at, offset)); missing = missing.Add(time.Minute) {
			if matches(missing) {
				return true
			}
		}
	}
	secondPass := change < 0 && wall(at, offset).Before(wall(start, before))
	return matches(wall(at, offset)) && !secondPass
}

func joinInts(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
}

func TestDue(t *testing.T) {
	nine := "2026-03-02T09:00:00+08:00"
	for name, c := range map[string]struct {
		trigger       flow.Trigger
		expected, now string
		run, skipped  string // hours of the day or days of the month, see below
		more          int
		next          string
	}{
		"not yet":                    {cronAt("0 9 * * *", "", ""), nine, "2026-03-02T08:59:59+08:00", "", "", 0, nine},
		"on time":                    {cronAt("0 9 * * *", "", ""), nine, "2026-03-02T09:00:00.2+08:00", "02T09", "", 0, "2026-03-03T09:00:00+08:00"},
		"half an hour late":          {cronAt("0 9 * * *", "", ""), nine, "2026-03-02T09:30:00+08:00", "02T09", "", 0, "2026-03-03T09:00:00+08:00"},
		"too late":                   {cronAt("0 9 * * *", "", ""), nine, "2026-03-02T10:00:01+08:00", "", "02T09", 0, "2026-03-03T09:00:00+08:00"},
		"late within a longer grace": {cronAt("0 9 * * *", "once", "12h"), nine, "2026-03-02T20:00:00+08:00", "02T09", "", 0, "2026-03-03T09:00:00+08:00"},
		"three days away, once":      {cronAt("0 9 * * *", "once", "2d"), nine, "2026-03-05T08:00:00+08:00", "04T09", "02T09 03T09", 0, "2026-03-05T09:00:00+08:00"},
		"three days away, all":       {cronAt("0 9 * * *", "all", "2d"), nine, "2026-03-05T08:00:00+08:00", "03T09 04T09", "02T09", 0, "2026-03-05T09:00:00+08:00"},
		"three days away, skip":      {cronAt("0 9 * * *", "skip", "2d"), nine, "2026-03-05T08:00:00+08:00", "", "02T09 03T09 04T09", 0, "2026-03-05T09:00:00+08:00"},
		"back in time, skip":         {cronAt("0 9 * * *", "skip", ""), nine, "2026-03-04T09:00:30+08:00", "04T09", "02T09 03T09", 0, "2026-03-05T09:00:00+08:00"},
		"on time, skip":              {cronAt("0 9 * * *", "skip", ""), nine, "2026-03-02T09:01:00+08:00", "02T09", "", 0, "2026-03-03T09:00:00+08:00"},
		"every 6 h, all":             {flow.Trigger{Type: "every", Schedule: "6h", Misfire: "all", Grace: "7h"}, nine, "2026-03-02T22:00:00+08:00", "02T15 02T21", "02T09", 0, "2026-03-03T03:00:00+08:00"},
		"at, on time":                {flow.Trigger{Type: "at", Schedule: nine}, nine, "2026-03-02T09:10:00+08:00", "02T09", "", 0, ""},
		"at, too late":               {flow.Trigger{Type: "at", Schedule: nine}, nine, "2026-03-02T11:00:00+08:00", "", "02T09", 0, ""},
		"the day of missing 02:30":   {flow.Trigger{Type: "cron", Schedule: "30 2 * * *", Timezone: "America/New_York"}, "2026-03-07T02:30:00-05:00", "2026-03-08T03:30:00-04:00", "08T03", "07T02", 0, "2026-03-09T02:30:00-04:00"},
		"never":                      {flow.Trigger{Type: "at", Schedule: nine}, "0001-01-01T00:00:00Z", "2026-03-02T11:00:00+08:00", "", "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			due := schedule(t, c.trigger, nil).Due(instant(t, c.expected), instant(t, c.now))
			if got := hoursOf(due.Run); got != c.run {
				t.Errorf("run %q, want %q", got, c.run)
			}
			if got := hoursOf(due.Skipped); got != c.skipped {
				t.Errorf("skipped %q, want %q", got, c.skipped)
			}
			if next := due.Next.Format(time.RFC3339); next != c.next && (c.next != "" || !due.Next.IsZero()) {
				t.Errorf("next %s, want %s", next, c.next)
			}
			if due.More != c.more {
				t.Errorf("%d more", due.More)
			}
		})
	}
}

func cronAt(fields, misfire, grace string) flow.Trigger {
	return flow.Trigger{Type: flow.Cron, Schedule: fields, Misfire: misfire, Grace: grace}
}

func hoursOf(list []time.Time) string {
	var s []string
	for _, at := range list {
		s = append(s, at.Format("02T15"))
	}
	return strings.Join(s, " ")
}

// A long absence leads to a bounded answer that still accounts for every fire.
func TestDueAfterALongTime(t *testing.T) {
	expected := instant(t, "2026-01-01T00:00:00+08:00")
	for name, c := range map[string]struct {
		trigger flow.Trigger
		away    time.Duration
		run     int
		total   int // 0: only a lower bound is promised
	}{
		"each minute, all":       {flow.Trigger{Type: "cron", Schedule: "* * * * *", Misfire: "all", Grace: "2h"}, 10 * 24 * time.Hour, flow.MaxCatchUp, 10*24*60 + 1},
		"each minute for a year": {flow.Trigger{Type: "cron", Schedule: "* * * * *"}, 365 * 24 * time.Hour, 1, 0},
		"each second for a year": {flow.Trigger{Type: "every", Schedule: "1s"}, 365 * 24 * time.Hour, 1, 365*24*3600 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			now := expected.Add(c.away)
			due := schedule(t, c.trigger, nil).Due(expected, now)
			if len(due.Run) != c.run || len(due.Run)+len(due.Skipped) != flow.MaxSkipped || !due.Next.After(now) {
				t.Errorf("%d run, %d skipped, next %v", len(due.Run), len(due.Skipped), due.Next)
			}
			if newest := due.Run[len(due.Run)-1]; now.Sub(newest) >= time.Minute {
				t.Errorf("the newest is %v", newest)
			}
			if total := len(due.Run) + len(due.Skipped) + due.More; c.total > 0 && total != c.total || total < 100_000 && c.total == 0 {
				t.Errorf("%d fires", total)
			}
		})
	}
}

// However often somebody looks, each fire is dealt with once, and in order.
func TestDueMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := location(rapid.SampledFrom(zones).Draw(t, "zone"))
		fields := rapid.SampledFrom([]string{"*/7 * * * *", "30 1,2,3 * * *", "0 0 * * *", "15 */5 * * 1-5"}).Draw(t, "fields")
		misfire := rapid.SampledFrom([]string{"skip", "once", "all"}).Draw(t, "misfire")
		s, err := flow.NewSchedule(flow.Trigger{Type: flow.Cron, Schedule: fields, Misfire: misfire}, zone, nil)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(rapid.Int64Range(1_500_000_000, 2_000_000_000).Draw(t, "start"), 0)
		expected := s.Next(now)
		want := expected
		for range 20 {
			now = now.Add(time.Duration(rapid.Int64Range(0, 10*3600).Draw(t, "pause")) * time.Second)
			due := s.Due(expected, now)
			seen := slices.SortedFunc(slices.Values(append(slices.Clone(due.Run), due.Skipped...)), time.Time.Compare)
			for _, at := range seen {
				if !at.Equal(want) || at.After(now) {
					t.Fatalf("%v where %v was expected, at %v", at, want, now)
				}
				want = s.Next(want)
			}
			if expected = due.Next; !expected.Equal(want) || !expected.After(now) {
				t.Fatalf("next is %v, not %v", expected, want)
			}
		}
	})
}
