package flow_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

// golden is China's National Day week of 2025 with its two make-up workdays.
const golden = `{
	"holidays": ["2025-10-01", "2025-10-02", "2025-10-03", "2025-10-06", "2025-10-07", "2025-10-08"],
	"workdays": ["2025-09-28", "2025-10-11"]
}`

func calendar(t testing.TB, raw string) *flow.Calendar {
	t.Helper()
	c, err := flow.ParseCalendar([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWorkday(t *testing.T) {
	c := calendar(t, golden)
	for day, want := range map[string]bool{
		"2025-09-27": false, "2025-09-28": true, "2025-09-30": true, "2025-10-01": false, "2025-10-04": false,
		"2025-10-08": false, "2025-10-09": true, "2025-10-11": true, "2025-10-12": false,
	} {
		at := instant(t, day+"T00:30:00+08:00").In(shanghai)
		if got := c.Workday(at); got != want {
			t.Errorf("%s: %v", day, got)
		}
	}
}

func TestNextKeepsToWorkingDays(t *testing.T) {
	for name, c := range map[string]struct {
		fields, after string
		want          []string
	}{
		"daily":                    {"0 9 * * *", "2025-09-26T12:00:00+08:00", []string{"09-28 09:00", "09-29 09:00", "09-30 09:00", "10-09 09:00", "10-10 09:00", "10-11 09:00", "10-13 09:00"}},
		"Monday to Friday":         {"0 9 * * 1-5", "2025-09-26T12:00:00+08:00", []string{"09-28 09:00", "09-29 09:00", "09-30 09:00", "10-09 09:00", "10-10 09:00", "10-11 09:00", "10-13 09:00"}},
		"the same in names":        {"0 9 * * MON-FRI", "2025-10-10T09:00:00+08:00", []string{"10-11 09:00", "10-13 09:00"}},
		"the same as a list":       {"0 9 * * 5,1,2-4", "2025-10-10T09:00:00+08:00", []string{"10-11 09:00", "10-13 09:00"}},
		"of one month only":        {"0 9 * 10 1-5", "2025-09-20T00:00:00+08:00", []string{"10-09 09:00", "10-10 09:00", "10-11 09:00", "10-13 09:00"}},
		"of the month before":      {"0 9 * 9 *", "2025-09-29T12:00:00+08:00", []string{"09-30 09:00"}},
		"each minute of a day":     {"58/1 23 * * 1-5", "2025-09-30T23:58:00+08:00", []string{"09-30 23:59", "10-09 23:58", "10-09 23:59", "10-10 23:58"}},
		"Mondays are late":         {"0 9 * * 1", "2025-09-29T09:00:00+08:00", []string{"10-09 09:00", "10-13 09:00"}},
		"monthly is late":          {"0 9 1 * *", "2025-09-15T00:00:00+08:00", []string{"10-09 09:00", "11-03 09:00", "12-01 09:00"}},
		"asked during the holiday": {"0 9 1 * *", "2025-10-04T00:00:00+08:00", []string{"10-09 09:00"}},
		"asked before it is due":   {"0 9 1 * *", "2025-10-09T08:59:00+08:00", []string{"10-09 09:00"}},
		"asked after it was due":   {"0 9 1 * *", "2025-10-09T09:00:00+08:00", []string{"11-03 09:00"}},
		"twice a day":              {"0 9,18 * * *", "2025-09-30T12:00:00+08:00", []string{"09-30 18:00", "10-09 09:00", "10-09 18:00", "10-10 09:00"}},
		"Saturdays":                {"30 8 * * 6", "2025-10-05T00:00:00+08:00", []string{"10-09 08:30", "10-11 08:30", "10-20 08:30"}},
		"several moved slots":      {"0 9 2,3 * *", "2025-09-30T00:00:00+08:00", []string{"10-09 09:00", "11-03 09:00", "12-02 09:00"}},
		"midnight":                 {"0 0 * * *", "2025-09-30T00:00:00+08:00", []string{"10-09 00:00", "10-10 00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := schedule(t, flow.Trigger{Type: flow.Cron, Schedule: c.fields, Calendar: "cn"}, calendar(t, golden))
			var got []string
			for _, at := range fires(s, instant(t, c.after), len(c.want)) {
				got = append(got, at[len("Mon 2025-"):len("Mon 2025-01-02 15:04")])
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
		})
	}
}

// A year without working days ends the search.
func TestNextWithoutWorkingDays(t *testing.T) {
	var days []string
	for day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2029; day = day.AddDate(0, 0, 1) {
		days = append(days, `"`+day.Format(time.DateOnly)+`"`)
	}
	c := calendar(t, `{"holidays":[`+strings.Join(days, ",")+`]}`)
	s := schedule(t, flow.Trigger{Type: flow.Cron, Schedule: "0 9 * * *", Calendar: "x"}, c)
	if next := s.Next(instant(t, "2026-01-01T00:00:00Z")); !next.IsZero() {
		t.Error(next)
	}
}

// With a calendar, fires come on working days only, each strictly after the last, and no working day on
// which the plain schedule fires goes without.
func TestCalendarLosesNoWorkingDay(t *testing.T) {
	c := calendar(t, golden)
	rapid.Check(t, func(t *rapid.T) {
		zone := location(rapid.SampledFrom(zones).Draw(t, "zone"))
		fields := rapid.SampledFrom([]string{"0 9 * * *", "*/30 8-10 * * *", "0 12 * * 3,6", "15 0 1-5 * *", "0 0 L * *", "*/20 9 * * 1-5"}).Draw(t, "fields")
		plain, err := flow.NewSchedule(flow.Trigger{Type: flow.Cron, Schedule: fields}, zone, nil)
		if err != nil {
			t.Fatal(err)
		}
		working, err := flow.NewSchedule(flow.Trigger{Type: flow.Cron, Schedule: fields, Calendar: "cn"}, zone, c)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Date(2025, 9, rapid.IntRange(1, 60).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour"), 0, 0, 0, zone)
		var fired []time.Time
		for at := working.Next(start); len(fired) < 60; at = working.Next(at) {
			if !c.Workday(at) || len(fired) > 0 && !at.After(fired[len(fired)-1]) {
				t.Fatalf("%v after %v", at, fired)
			}
			fired = append(fired, at)
		}
		for at := plain.Next(start); at.Before(fired[len(fired)-1]); at = plain.Next(at) {
			if c.Workday(at) && !slices.ContainsFunc(fired, at.Equal) {
				t.Fatalf("%v is missing", at)
			}
		}
	})
}

func TestParseCalendarRefuses(t *testing.T) {
	for raw, says := range map[string]string{
		`{"holidays":["2025-13-01"]}`:                           `holidays[0]: "2025-13-01" is no day`,
		`{"workdays":["2025-10-1"]}`:                            `workdays[0]: "2025-10-1" is no day`,
		`{"holidays":["2025-10-01"],"workdays":["2025-10-01"]}`: "is a holiday too",
		`{"days":[]}`: `unknown field "days"`,
	} {
		if _, err := flow.ParseCalendar([]byte(raw)); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), says) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
