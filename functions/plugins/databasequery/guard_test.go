package databasequery

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

func TestGuardLetsReadingPass(t *testing.T) {
	for _, c := range []struct {
		dialect sqltext.Dialect
		sql     string
	}{
		{sqltext.SQLite, "SELECT * FROM sales WHERE date=CURRENT_DATE"},
		{sqltext.SQLite, "select 1;  -- done\n ; /* over */"},
		{sqltext.SQLite, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 3) SELECT * FROM n"},
		{sqltext.SQLite, "SELECT replace(a, 'x', 'y'), [into], `update`, \"delete\" FROM t WHERE b = 'a;b -- c'"},
		{sqltext.SQLite, "VALUES (1), (2)"},
		{sqltext.Postgres, "SELECT 'it''s', E'a\\'b; drop', $$ ; into $$, $q$ $$ ; $q$ FROM t"},
		{sqltext.Postgres, "(SELECT 1) UNION (SELECT 2) /* a /* nested */ comment; */"},
		{sqltext.Postgres, "TABLE sales"},
		{sqltext.Postgres, "SELECT substring(name FOR 3), extract(day FROM date) FROM sales"},
		{sqltext.MySQL, "SELECT \"a;b\", 'it\\'s; into' FROM `into` # ; delete\n"},
		{sqltext.MySQL, "SELECT 5--1"},
		{sqltext.MySQL, "SHOW TABLES"},
		{sqltext.MySQL, "select 数量 from 销售 where 地区='华东'"},
	} {
		if _, err := guard(c.sql, c.dialect); err != nil {
			t.Errorf("%s: %s: %v", c.dialect, c.sql, err)
		}
	}
}

func TestGuardRefuses(t *testing.T) {
	for _, c := range []struct {
		dialect sqltext.Dialect
		sql     string
		kind    fault.Kind
		where   string
	}{
		{sqltext.SQLite, "", fault.Invalid, "params.sql"},
		{sqltext.SQLite, " ; ", fault.Invalid, "params.sql"},
		{sqltext.SQLite, "SELECT 1; DELETE FROM t", fault.Invalid, "params.sql, line 1, column 9"},
		{sqltext.SQLite, "SELECT 1;\n\nDROP TABLE t;", fault.Invalid, "params.sql, line 1, column 9"},
		{sqltext.SQLite, "DELETE FROM t", fault.Forbidden, "params.sql, line 1, column 1"},
		{sqltext.SQLite, "/* hi */ update t set a=1", fault.Forbidden, "params.sql, line 1, column 10"},
		{sqltext.SQLite, "ATTACH 'x.db' AS x", fault.Forbidden, "params.sql, line 1, column 1"},
		{sqltext.SQLite, "PRAGMA query_only=0", fault.Forbidden, "params.sql, line 1, column 1"},
		{sqltext.SQLite, "SELECT 1,\n  load_extension('x')", fault.Forbidden, "params.sql, line 2, column 3"},
		{sqltext.SQLite, "SELECT \"load_extension\" ('x')", fault.Forbidden, "params.sql, line 1, column 8"},
		{sqltext.SQLite, "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", fault.Forbidden, "params.sql, line 1, column 29"},
		{sqltext.SQLite, "SELECT 'no end", fault.Invalid, "params.sql, line 1, column 8"},
		{sqltext.SQLite, "SELECT 1 /* no end", fault.Invalid, "params.sql, line 1, column 10"},
		{sqltext.SQLite, "SELECT 1\x00; DROP TABLE t", fault.Invalid, "params.sql, line 1, column 9"},
		{sqltext.Postgres, "COPY t TO PROGRAM 'sh'", fault.Forbidden, "params.sql, line 1, column 1"},
		{sqltext.Postgres, "SELECT pg_read_file('/etc/passwd')", fault.Forbidden, "params.sql, line 1, column 8"},
		{sqltext.Postgres, "SELECT pg_catalog . PG_Sleep /**/ (9)", fault.Forbidden, "params.sql, line 1, column 21"},
		{sqltext.Postgres, "SELECT \"pg_read_file\"('/etc/passwd')", fault.Forbidden, "params.sql, line 1, column 8"},
		{sqltext.Postgres, "SELECT U&\"\\0070g_read_file\"('/etc/passwd')", fault.Invalid, "params.sql, line 1, column 8"},
		{sqltext.Postgres, "SELECT * FROM dblink_connect('x')", fault.Forbidden, "params.sql, line 1, column 15"},
		{sqltext.Postgres, "SELECT lo_import('/etc/passwd')", fault.Forbidden, "params.sql, line 1, column 8"},
		{sqltext.Postgres, "SELECT setval('s', 1)", fault.Forbidden, "params.sql, line 1, column 8"},
		{sqltext.Postgres, "SELECT query_to_xml('select pg_sleep(9)', true, true, '')", fault.Forbidden, "params.sql, line 1, column 8"},
		{sqltext.Postgres, "SELECT * INTO x FROM t", fault.Forbidden, "params.sql, line 1, column 10"},
		{sqltext.Postgres, "SELECT * FROM t FOR UPDATE", fault.Forbidden, "params.sql, line 1, column 17"},
		{sqltext.Postgres, "SELECT * FROM pg_shadow", fault.Forbidden, "params.sql, line 1, column 15"},
		{sqltext.Postgres, "SELECT 1e'\\'' , pg_sleep(5) --'", fault.Invalid, "params.sql, line 1, column 10"},
		{sqltext.Postgres, "SELECT '\\'; SELECT pg_sleep(1) --'", fault.Invalid, "params.sql, line 1, column 11"},
		{sqltext.MySQL, "SELECT * FROM t INTO OUTFILE '/tmp/x'", fault.Forbidden, "params.sql, line 1, column 17"},
		{sqltext.MySQL, "SELECT LOAD_FILE('/etc/passwd')", fault.Forbidden, "params.sql, line 1, column 8"},
		{sqltext.MySQL, "SELECT `sleep` (9)", fault.Forbidden, "params.sql, line 1, column 8"},
		{sqltext.MySQL, "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */", fault.Forbidden, "params.sql, line 1, column 10"},
		{sqltext.MySQL, "SELECT 1 /*M! , sleep(9) */", fault.Forbidden, "params.sql, line 1, column 10"},
		{sqltext.MySQL, "SELECT 'a\\'b', sleep(9), 'c'", fault.Forbidden, "params.sql, line 1, column 16"},
		{sqltext.MySQL, "SELECT 1 LOCK IN SHARE MODE", fault.Forbidden, "params.sql, line 1, column 10"},
		{sqltext.MySQL, "SELECT * FROM mysql.global_priv", fault.Forbidden, "params.sql, line 1, column 21"},
		{sqltext.MySQL, "SET GLOBAL general_log = 1", fault.Forbidden, "params.sql, line 1, column 1"},
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

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}
