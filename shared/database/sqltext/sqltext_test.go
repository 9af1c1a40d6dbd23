package sqltext

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
)

func TestBind(t *testing.T) {
	list := []any{"a", int64(2)}
	for _, c := range []struct {
		dialect Dialect
		sql     string
		list    []any
		want    string
		args    []any
		fails   string
	}{
		{SQLite, "SELECT ?, ?", list, "SELECT ?1, ?2", list, ""},
		{SQLite, "SELECT $2, $1, $2", list, "SELECT ?2, ?1, ?2", list, ""},
		{Postgres, "SELECT ?, '?', ? -- ?", list, "SELECT $1, '?', $2 -- ?", list, ""},
		{Postgres, "SELECT j ? 'k', $1, $2", list, "SELECT j ? 'k', $1, $2", list, ""},
		{Postgres, "SELECT j ?| a", nil, "SELECT j ?| a", []any{}, ""},
		{MySQL, "SELECT $2, $1, $2", list, "SELECT ?, ?, ?", []any{int64(2), "a", int64(2)}, ""},
		{SQLite, "SELECT ?, $1", list, "", nil, "not both"},
		{SQLite, "SELECT ?", list, "", nil, "params[1]"},
		{SQLite, "SELECT ?, ?, ?", list, "", nil, "params.sql, line 1, column 14"},
		{MySQL, "SELECT $99999999999999999999", list, "", nil, "params.sql, line 1, column 8"},
	} {
		s, err := Parse(c.sql, c.dialect)
		if err != nil {
			t.Fatalf("%s: %v", c.sql, err)
		}
		args, err := s.Bind(c.list)
		if c.fails != "" {
			if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), c.fails) {
				t.Errorf("%s: %v, want a mistake about %s", c.sql, err, c.fails)
			}
			continue
		}
		if err != nil || s.Final() != c.want || len(args) != len(c.args) || len(args) > 0 && !reflect.DeepEqual(args, c.args) {
			t.Errorf("%s became %s with %v (%v), want %s with %v", c.sql, s.Final(), args, err, c.want, c.args)
		}
	}
}

func TestValuesKeepNumbers(t *testing.T) {
	raw := []string{`"x"`, `1`, `9007199254740993`, `1.5`, `12345678901234567890.123456789`, `true`, `null`}
	params := make([]json.RawMessage, len(raw))
	for i, r := range raw {
		params[i] = json.RawMessage(r)
	}
	got, err := Values(params)
	want := []any{"x", int64(1), int64(9007199254740993), 1.5, "12345678901234567890.123456789", true, nil}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v %v", got, err)
	}
	if _, err := Values([]json.RawMessage{[]byte(`1`), []byte(`[1]`)}); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "params[1]") {
		t.Fatalf("a list passed: %v", err)
	}
}

func TestMomentStaysWithinTheDay(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	for _, c := range []struct{ now, date, want string }{
		{"2026-11-21T16:30:00Z", "2026-11-22", "2026-11-22T00:30:00+08:00"},
		{"2026-11-22T16:00:05Z", "2026-11-22", "2026-11-22T23:59:59+08:00"},
		{"2026-11-20T16:30:00Z", "2026-11-22", "2026-11-22T00:00:00+08:00"},
		{"2026-11-20T16:30:00Z", "", "2026-11-21T00:30:00+08:00"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Moment(now, shanghai, c.date)
		if err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%s on %q: %s %v, want %s", c.now, c.date, got.Format(time.RFC3339), err, c.want)
		}
	}
	if _, err := Moment(time.Now(), shanghai, "22.11.2026"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a wrong date passed: %v", err)
	}
}

func TestSettleZone(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 30, 0, 0, zone(t, "Asia/Shanghai"))
	for sql, want := range map[string]string{
		"SELECT date('now', 'localtime')":                          "SELECT date('now', '+0 days')",
		"SELECT datetime(at, 'localtime')":                         "SELECT datetime(at, '+28800 seconds')",
		"SELECT strftime('%H', at, 'UTC')":                         "SELECT strftime('%H', at, '-28800 seconds')",
		"SELECT coalesce(zone, 'utc'), x IN (1, 'localtime') FROM": "SELECT coalesce(zone, 'utc'), x IN (1, 'localtime') FROM",
	} {
		s, err := Parse(sql, SQLite)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Freeze(now); err != nil || s.Final() != want {
			t.Errorf("%s became %s (%v)", sql, s.Final(), err)
		}
	}
	s, err := Parse("SELECT datetime(at, 'localtime')", SQLite)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Freeze(now.In(zone(t, "Europe/Berlin"))); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "+01:00") {
		t.Errorf("a zone with summer time: %v", err)
	}
}

func TestFreezePostgres(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 30, 0, 0, zone(t, "Asia/Shanghai"))
	s, err := Parse("SELECT CURRENT_DATE, now ( ), current_timestamp(0) AS now, 'now', t.now, localtime FROM t", Postgres)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Freeze(now); err != nil {
		t.Fatal(err)
	}
	want := "SELECT (DATE '2026-11-22'), (TIMESTAMPTZ '2026-11-22 00:30:00+08:00'), (TIMESTAMPTZ '2026-11-22 00:30:00+08:00') AS now, 'now', t.now, (TIME '00:30:00') FROM t"
	if s.Final() != want {
		t.Fatalf("%s", s.Final())
	}
	// A place in the rewritten statement leads back to the user's own.
	if at := s.origin(strings.Index(s.Final(), "t.now")); at != strings.Index(s.SQL, "t.now") {
		t.Errorf("origin %d, want %d", at, strings.Index(s.SQL, "t.now"))
	}
	if at := s.origin(strings.Index(s.Final(), "'2026") + 3); at != strings.Index(s.SQL, "CURRENT_DATE") {
		t.Errorf("a place inside a replacement leads to %d", at)
	}
}

// TestLexerCoversEveryByte: whatever the text, tokens are in order, do not overlap, and are what stands there.
func TestLexerCoversEveryByte(t *testing.T) {
	pieces := []string{"select", "'a''b'", `"x"`, "`y`", "[z]", "$1", "?", "$$q$$", "--c\n", "/*c*/", " ", ";", "(", ")", "1.5e3", "数", "\\", "'", "\"", "E'\\''", "#"}
	rapid.Check(t, func(t *rapid.T) {
		sql := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), "")
		d := rapid.SampledFrom([]Dialect{SQLite, Postgres, MySQL}).Draw(t, "dialect")
		tokens, err := lex(sql, d)
		if err != nil {
			return
		}
		at := 0
		for _, token := range tokens {
			if token.Pos < at || token.End <= token.Pos || token.End > len(sql) {
				t.Fatalf("%q: token %+v after %d", sql, token, at)
			}
			at = token.End
		}
	})
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}
