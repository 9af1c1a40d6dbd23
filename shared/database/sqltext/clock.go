package sqltext

import (
	"fmt"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Moment is the time that a query sees as now: the engine's, in the run's zone, kept within the run's day.
// A run that starts before midnight and gets here after it still asks about the day it was started for.
func Moment(now time.Time, zone *time.Location, date string) (time.Time, error) {
	now = now.In(zone).Truncate(time.Second)
	if date == "" || now.Format(time.DateOnly) == date {
		return now, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, date, zone)
	if err != nil {
		return now, fault.As(fault.Invalid, err, "the run's date is not YYYY-MM-DD: %q", date).At("date")
	}
	if now.Before(day) {
		return day, nil
	}
	return day.AddDate(0, 0, 1).Add(-time.Second), nil
}

// Offset is a zone's distance from UTC at t, as +08:00.
func Offset(t time.Time) string { return t.Format("-07:00") }

// Freeze makes the statement tell the time as now, in now's zone, as far as its text can: MySQL's session and
// SQLite's file system are told (shared/database).
func (s *Statement) Freeze(now time.Time) error {
	switch s.Dialect {
	case Postgres:
		s.freezePostgres(now)
	case SQLite:
		return s.settleZone(now)
	}
	return nil
}

// freezePostgres puts now in the place of PostgreSQL's own clock. The session's zone makes CURRENT_DATE right
// as long as the run's day lasts; this holds it there, where SQL has no setting for it.
func (s *Statement) freezePostgres(now time.Time) {
	stamp := now.Format("2006-01-02 15:04:05-07:00")
	literals := map[string]string{
		"current_date":      "(DATE '" + stamp[:10] + "')",
		"current_timestamp": "(TIMESTAMPTZ '" + stamp + "')",
		"localtimestamp":    "(TIMESTAMP '" + stamp[:19] + "')",
		"current_time":      "(TIMETZ '" + stamp[11:] + "')",
		"localtime":         "(TIME '" + stamp[11:19] + "')",
	}
	for i, t := range s.Tokens {
		if t.Kind != Word || s.Is(i-1, Symbol, ".") || s.Is(i-1, Word, "as") {
			continue
		}
		literal, known := literals[t.Value]
		switch {
		case known && s.Is(i+1, Symbol, "(") && s.Is(i+3, Symbol, ")"):
			s.Change(i, i+3, literal) // CURRENT_TIMESTAMP(0): now has no fractions to round
		case known:
			s.Change(i, i, literal)
		case isNow(t.Value) && s.Is(i+1, Symbol, "(") && s.Is(i+2, Symbol, ")"):
			s.Change(i, i+2, literals["current_timestamp"])
		}
	}
}

func isNow(name string) bool {
	return name == "now" || name == "transaction_timestamp" || name == "statement_timestamp" || name == "clock_timestamp"
}

// dateFunctions are SQLite's functions that take the modifiers localtime and utc.
var dateFunctions = map[string]bool{
	"date": true, "time": true, "datetime": true, "julianday": true, "unixepoch": true, "strftime": true,
}

// settleZone replaces SQLite's modifiers localtime and utc, which mean the zone of the host. After 'now' they
// change nothing, because our clock is local already. On stored times they become the offset of the run's
// zone if it has only one, and are refused otherwise.
func (s *Statement) settleZone(now time.Time) error {
	var calls []string // the function around the token, innermost last
	for i, t := range s.Tokens {
		switch {
		case s.Is(i, Symbol, "("):
			name := ""
			if i > 0 && s.Tokens[i-1].Kind == Word {
				name = s.Tokens[i-1].Value
			}
			calls = append(calls, name)
		case s.Is(i, Symbol, ")") && len(calls) > 0:
			calls = calls[:len(calls)-1]
		case t.Kind == Text && len(calls) > 0 && dateFunctions[calls[len(calls)-1]] && s.Is(i-1, Symbol, ","):
			if err := s.settle(i, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Statement) settle(i int, now time.Time) error {
	modifier := strings.ToLower(s.Tokens[i].Value)
	if modifier != "localtime" && modifier != "utc" {
		return nil
	}
	if i >= 2 && s.Tokens[i-2].Kind == Text && strings.EqualFold(s.Tokens[i-2].Value, "now") {
		s.Change(i, i, "'+0 days'")
		return nil
	}
	seconds, single := fixedOffset(now)
	if !single {
		return fault.New(fault.Invalid, "%s has more than one offset from UTC", now.Location()).
			At(s.At(i)).Try("write the offset: '" + Offset(now) + "'")
	}
	if modifier == "utc" {
		seconds = -seconds
	}
	s.Change(i, i, fmt.Sprintf("'%+d seconds'", seconds))
	return nil
}

// fixedOffset returns the offset of now's zone, and whether it has been the same for ten years.
func fixedOffset(now time.Time) (int, bool) {
	_, seconds := now.Zone()
	for month := range 120 {
		if _, then := now.AddDate(0, -month, 0).Zone(); then != seconds {
			return seconds, false
		}
	}
	return seconds, true
}
