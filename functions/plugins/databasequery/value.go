package databasequery

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
)

// shown is a value as JSON shows it; kind is its column's type.
func shown(v any, kind string, d sqltext.Dialect) any {
	switch d {
	case sqltext.SQLite:
		return sqliteValue(v, kind)
	case sqltext.MySQL:
		return mysqlValue(v, kind)
	}
	if text, ok := v.(string); ok {
		return postgresValue(text, kind)
	}
	return v
}

// sqliteValue is a value as the driver gives it. The driver parses texts in columns declared as dates; they
// go back to ISO 8601, without a clock in a DATE and without a zone where none was stored.
func sqliteValue(v any, kind string) any {
	switch v := v.(type) {
	case []byte:
		return blob(v)
	case int64:
		return integer(v)
	case float64:
		return float(v)
	case time.Time:
		midnight := v.Hour() == 0 && v.Minute() == 0 && v.Second() == 0 && v.Nanosecond() == 0
		switch {
		case midnight && kind == "DATE":
			return v.Format(time.DateOnly)
		case v.Location() == time.UTC:
			return v.Format("2006-01-02T15:04:05.999999999")
		default:
			return v.Format(time.RFC3339Nano)
		}
	default:
		return v
	}
}

// mysqlValue is a value as the driver gives it: numbers are numbers, and everything else arrives as bytes.
func mysqlValue(v any, kind string) any {
	switch v := v.(type) {
	case int64:
		return integer(v)
	case uint64:
		return decimal(fmt.Sprint(v))
	case float32:
		return decimal(fmt.Sprint(v))
	case float64:
		return float(v)
	case []byte:
		return mysqlBytes(v, kind)
	default:
		return v
	}
}

func mysqlBytes(b []byte, kind string) any {
	switch {
	case strings.HasSuffix(kind, "BLOB"), strings.HasSuffix(kind, "BINARY"), kind == "BIT", kind == "GEOMETRY":
		return blob(b)
	case kind == "DECIMAL", kind == "DOUBLE", kind == "FLOAT", strings.HasSuffix(kind, "INT"), kind == "YEAR":
		return decimal(string(b))
	case kind == "DATETIME", kind == "TIMESTAMP":
		return strings.Replace(string(b), " ", "T", 1)
	default:
		return string(b)
	}
}

// Object identifiers of built-in types (PostgreSQL source, src/include/catalog/pg_type.dat).
const (
	oidBool        = "16"
	oidBytea       = "17"
	oidInt8        = "20"
	oidInt2        = "21"
	oidInt4        = "23"
	oidOID         = "26"
	oidFloat4      = "700"
	oidFloat8      = "701"
	oidTimestamp   = "1114"
	oidTimestamptz = "1184"
	oidNumeric     = "1700"
)

// postgresValue reads a value in the server's text format. Types that JSON has no match for stay text.
func postgresValue(text string, oid string) any {
	switch oid {
	case oidBool:
		return text == "t"
	case oidInt2, oidInt4, oidInt8, oidOID, oidNumeric, oidFloat4, oidFloat8:
		return decimal(text)
	case oidBytea:
		if b, err := hex.DecodeString(strings.TrimPrefix(text, `\x`)); err == nil {
			return blob(b)
		}
	case oidTimestamp:
		return strings.Replace(text, " ", "T", 1)
	case oidTimestamptz:
		for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00"} {
			if t, err := time.Parse(layout, text); err == nil {
				return t.Format(time.RFC3339Nano)
			}
		}
	}
	return text
}

// jsonNumber is the grammar of a number in JSON (RFC 8259, section 6).
var jsonNumber = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
})

// decimal is a number when every JSON reader gets it back exactly, and its text otherwise.
func decimal(text string) any {
	if jsonNumber().MatchString(text) && sqltext.Lossless(text) {
		return json.Number(text)
	}
	return text
}

// float is a floating-point number; JSON has no infinities and no NaN.
func float(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return f
}

// blob is binary data.
func blob(b []byte) any { return base64.StdEncoding.EncodeToString(b) }

// integer is a whole number; one beyond 2^53 is its text, because most JSON readers would round it.
func integer(i int64) any {
	if i < -1<<53 || i > 1<<53 {
		return strconv.FormatInt(i, 10)
	}
	return i
}
