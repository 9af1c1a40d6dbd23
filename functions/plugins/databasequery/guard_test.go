package databasequery

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
)

func TestGuardLetsReadingPass(t *testing.T) {
	for _, c := range []struct {
		dialect dialect
		sql     string
	}{
		{sqliteSQL, "SELECT * FROM sales WHERE date=CURRENT_DATE"},
		{sqliteSQL, "select 1;  -- done\n ; /* over */"},
		{sqliteSQL, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 3) SELECT * FROM n"},
		{sqliteSQL, "SELECT replace(a, 'x', 'y'), [into], `update`, \"delete\" FROM t WHERE b = 'a;b -- c'"},
		{sqliteSQL, "VALUES (1), (2)"},
		{postgresSQL, "SELECT 'it''s', E'a\\'b; drop', $$ ; into $$, $q$ $$ ; $q$ FROM t"},
		{postgresSQL, "(SELECT 1) UNION (SELECT 2) /* a /* nested */ comment; */"},
		{postgresSQL, "TABLE sales"},
		{postgresSQL, "SELECT substring(name FOR 3), extract(day FROM date) FROM sales"},
		{mysqlSQL, "SELECT \"a;b\", 'it\\'s; into' FROM `into` # ; delete\n"},
		{mysqlSQL, "SELECT 5--1"},
		{mysqlSQL, "SHOW TABLES"},
		{mysqlSQL, "select 数量 from 销售 where 地区='华东'"},
	} {
		if _, err := guard(c.sql, c.dialect); err != nil {
			t.Errorf("%s: %s: %v", c.dialect, c.sql, err)
		}
	}
}

func TestGuardRefuses(t *testing.T) {
	for _, c := range []struct {
		dialect dialect
		sql     string
		kind    fault.Kind
		where   string
	}{
		{sqliteSQL, "", fault.Invalid, "params.sql"},
		{sqliteSQL, " ; ", fault.Invalid, "params.sql"},
		{sqliteSQL, "SELECT 1; DELETE FROM t", fault.Invalid, "params.sql, line 1, column 9"},
		{sqliteSQL, "SELECT 1;\n\nDROP TABLE t;", fault.Invalid, "params.sql, line 1, column 9"},
		{sqliteSQL, "DELETE FROM t", fault.Forbidden, "params.sql, line 1, column 1"},
		{sqliteSQL, "/* hi */ update t set a=1", fault.Forbidden, "params.sql, line 1, column 10"},
		{sqliteSQL, "ATTACH 'x.db' AS x", fault.Forbidden, "params.sql, line 1, column 1"},
		{sqliteSQL, "PRAGMA query_only=0", fault.Forbidden, "params.sql, line 1, column 1"},
		{sqliteSQL, "SELECT 1,\n  load_extension('x')", fault.Forbidden, "params.sql, line 2, column 3"},
		{sqliteSQL, "SELECT \"load_extension\" ('x')", fault.Forbidden, "params.sql, line 1, column 8"},
		{sqliteSQL, "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", fault.Forbidden, "params.sql, line 1, column 29"},
		{sqliteSQL, "SELECT 'no end", fault.Invalid, "params.sql, line 1, column 8"},
		{sqliteSQL, "SELECT 1 /* no end", fault.Invalid, "params.sql, line 1, column 10"},
		{sqliteSQL, "SELECT 1\x00; DROP TABLE t", fault.Invalid, "params.sql, line 1, column 9"},
		{postgresSQL, "COPY t TO PROGRAM 'sh'", fault.Forbidden, "params.sql, line 1, column 1"},
		{postgresSQL, "SELECT pg_read_file('/etc/passwd')", fault.Forbidden, "params.sql, line 1, column 8"},
		{postgresSQL, "SELECT pg_catalog . PG_Sleep /**/ (9)", fault.Forbidden, "params.sql, line 1, column 21"},
		{postgresSQL, "SELECT \"pg_read_file\"('/etc/passwd')", fault.Forbidden, "params.sql, line 1, column 8"},
		{postgresSQL, "SELECT U&\"\\0070g_read_file\"('/etc/passwd')", fault.Invalid, "params.sql, line 1, column 8"},
		{postgresSQL, "SELECT * FROM dblink_connect('x')", fault.Forbidden, "params.sql, line 1, column 15"},
		{postgresSQL, "SELECT lo_import('/etc/passwd')", fault.Forbidden, "params.sql, line 1, column 8"},
		{postgresSQL, "SELECT setval('s', 1)", fault.Forbidden, "params.sql, line 1, column 8"},
		{postgresSQL, "SELECT query_to_xml('select pg_sleep(9)', true, true, '')", fault.Forbidden, "params.sql, line 1, column 8"},
		{postgresSQL, "SELECT * INTO x FROM t", fault.Forbidden, "params.sql, line 1, column 10"},
		{postgresSQL, "SELECT * FROM t FOR UPDATE", fault.Forbidden, "params.sql, line 1, column 17"},
		{postgresSQL, "SELECT * FROM pg_shadow", fault.Forbidden, "params.sql, line 1, column 15"},
		{postgresSQL, "SELECT 1e'\\'' , pg_sleep(5) --'", fault.Invalid, "params.sql, line 1, column 10"},
		{postgresSQL, "SELECT '\\'; SELECT pg_sleep(1) --'", fault.Invalid, "params.sql, line 1, column 11"},
		{mysqlSQL, "SELECT * FROM t INTO OUTFILE '/tmp/x'", fault.Forbidden, "params.sql, line 1, column 17"},
		{mysqlSQL, "SELECT LOAD_FILE('/etc/passwd')", fault.Forbidden, "params.sql, line 1, column 8"},
		{mysqlSQL, "SELECT `sleep` (9)", fault.Forbidden, "params.sql, line 1, column 8"},
		{mysqlSQL, "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */", fault.Forbidden, "params.sql, line 1, column 10"},
		{mysqlSQL, "SELECT 1 /*M! , sleep(9) */", fault.Forbidden, "params.sql, line 1, column 10"},
		{mysqlSQL, "SELECT 'a\\'b', sleep(9), 'c'", fault.Forbidden, "params.sql, line 1, column 16"},
		{mysqlSQL, "SELECT 1 LOCK IN SHARE MODE", fault.Forbidden, "params.sql, line 1, column 10"},
		{mysqlSQL, "SELECT * FROM mysql.global_priv", fault.Forbidden, "params.sql, line 1, column 21"},
		{mysqlSQL, "SET GLOBAL general_log = 1", fault.Forbidden, "params.sql, line 1, column 1"},
	} {
		_, err := guard(c.sql, c.dialect)
		if !fault.Is(err, c.kind) || !strings.HasPrefix(fault.Text(err), c.where+": ") {
			t.Errorf("%s: %q: %s (%s), want %s at %s", c.dialect, c.sql, fault.Text(err), fault.KindOf(err), c.kind, c.where)
		}
		if c.kind == fault.Forbidden && strings.HasPrefix(c.sql, "DELETE") && !strings.Contains(fault.Text(err), "database_execute") {
			t.Errorf("%q does not name database_execute: %s", c.sql, fault.Text(err))
		}
	}
}

func TestBind(t *testing.T) {
	list := []any{"a", int64(2)}
	for _, c := range []struct {
		dialect dialect
		sql     string
		list    []any
		want    string
		args    []any
		fails   string
	}{
		{sqliteSQL, "SELECT ?, ?", list, "SELECT ?1, ?2", list, ""},
		{sqliteSQL, "SELECT $2, $1, $2", list, "SELECT ?2, ?1, ?2", list, ""},
		{postgresSQL, "SELECT ?, '?', ? -- ?", list, "SELECT $1, '?', $2 -- ?", list, ""},
		{postgresSQL, "SELECT j ? 'k', $1, $2", list, "SELECT j ? 'k', $1, $2", list, ""},
		{postgresSQL, "SELECT j ?| a", nil, "SELECT j ?| a", []any{}, ""},
		{mysqlSQL, "SELECT $2, $1, $2", list, "SELECT ?, ?, ?", []any{int64(2), "a", int64(2)}, ""},
		{sqliteSQL, "SELECT ?, $1", list, "", nil, "not both"},
		{sqliteSQL, "SELECT ?", list, "", nil, "params[1]"},
		{sqliteSQL, "SELECT ?, ?, ?", list, "", nil, "params.sql, line 1, column 14"},
		{mysqlSQL, "SELECT $99999999999999999999", list, "", nil, "params.sql, line 1, column 8"},
	} {
		s, err := guard(c.sql, c.dialect)
		if err != nil {
			t.Fatalf("%s: %v", c.sql, err)
		}
		args, err := s.bind(c.list)
		if c.fails != "" {
			if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), c.fails) {
				t.Errorf("%s: %v, want a mistake about %s", c.sql, err, c.fails)
			}
			continue
		}
		if err != nil || s.final() != c.want || len(args) != len(c.args) || len(args) > 0 && !reflect.DeepEqual(args, c.args) {
			t.Errorf("%s became %s with %v (%v), want %s with %v", c.sql, s.final(), args, err, c.want, c.args)
		}
	}
}

func TestValuesKeepNumbers(t *testing.T) {
	raw := []string{`"x"`, `1`, `9007199254740993`, `1.5`, `12345678901234567890.123456789`, `true`, `null`}
	params := make([]json.RawMessage, len(raw))
	for i, r := range raw {
		params[i] = json.RawMessage(r)
	}
	got, err := values(params)
	want := []any{"x", int64(1), int64(9007199254740993), 1.5, "12345678901234567890.123456789", true, nil}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v %v", got, err)
	}
	if _, err := values([]json.RawMessage{[]byte(`1`), []byte(`[1]`)}); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "params[1]") {
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
		got, err := moment(now, shanghai, c.date)
		if err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%s on %q: %s %v, want %s", c.now, c.date, got.Format(time.RFC3339), err, c.want)
		}
	}
	if _, err := moment(time.Now(), shanghai, "22.11.2026"); !fault.Is(err, fault.Invalid) {
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
		s, err := guard(sql, sqliteSQL)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.settleZone(now); err != nil || s.final() != want {
			t.Errorf("%s became %s (%v)", sql, s.final(), err)
		}
	}
	s, err := guard("SELECT datetime(at, 'localtime')", sqliteSQL)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.settleZone(now.In(zone(t, "Europe/Berlin"))); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "+01:00") {
		t.Errorf("a zone with summer time: %v", err)
	}
}

func TestFreezePostgres(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 30, 0, 0, zone(t, "Asia/Shanghai"))
	s, err := guard("SELECT CURRENT_DATE, now ( ), current_timestamp(0) AS now, 'now', t.now, localtime FROM t", postgresSQL)
	if err != nil {
		t.Fatal(err)
	}
	s.freezePostgres(now)
	want := "SELECT (DATE '2026-11-22'), (TIMESTAMPTZ '2026-11-22 00:30:00+08:00'), (TIMESTAMPTZ '2026-11-22 00:30:00+08:00') AS now, 'now', t.now, (TIME '00:30:00') FROM t"
	if s.final() != want {
		t.Fatalf("%s", s.final())
	}
	// A place in the rewritten statement leads back to the user's own.
	if at := s.origin(strings.Index(s.final(), "t.now")); at != strings.Index(s.sql, "t.now") {
		t.Errorf("origin %d, want %d", at, strings.Index(s.sql, "t.now"))
	}
	if at := s.origin(strings.Index(s.final(), "'2026") + 3); at != strings.Index(s.sql, "CURRENT_DATE") {
		t.Errorf("a place inside a replacement leads to %d", at)
	}
}

func TestDecimal(t *testing.T) {
	for text, want := range map[string]any{
		"1234.50":                     json.Number("1234.50"),
		"0":                           json.Number("0"),
		"-0.000001":                   json.Number("-0.000001"),
		"9007199254740992":            json.Number("9007199254740992"),
		"9007199254740993":            "9007199254740993",
		"0.1234567890123456":          "0.1234567890123456",
		"1e400":                       "1e400",
		"1e-400":                      "1e-400",
		"NaN":                         "NaN",
		".5":                          ".5",
		"99999999999999999999.99":     "99999999999999999999.99",
		"1.0000000000000000000000000": "1.0000000000000000000000000",
	} {
		if got := decimal(text); got != want {
			t.Errorf("%s became %#v", text, got)
		}
	}
}

// TestLexerCoversEveryByte: whatever the text, tokens are in order, do not overlap, and are what stands there.
func TestLexerCoversEveryByte(t *testing.T) {
	pieces := []string{"select", "'a''b'", `"x"`, "`y`", "[z]", "$1", "?", "$$q$$", "--c\n", "/*c*/", " ", ";", "(", ")", "1.5e3", "数", "\\", "'", "\"", "E'\\''", "#"}
	rapid.Check(t, func(t *rapid.T) {
		sql := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), "")
		d := rapid.SampledFrom([]dialect{sqliteSQL, postgresSQL, mysqlSQL}).Draw(t, "dialect")
		tokens, err := lex(sql, d)
		if err != nil {
			return
		}
		at := 0
		for _, token := range tokens {
			if token.pos < at || token.end <= token.pos || token.end > len(sql) {
				t.Fatalf("%q: token %+v after %d", sql, token, at)
			}
			at = token.end
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
