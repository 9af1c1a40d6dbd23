package databasequery

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// request is what every database is asked.
type request struct {
	sql     string
	params  []any // nil, bool, int64, float64 or string
	maxRows int
	now     time.Time // the run's clock; its location is the run's zone
}

// reader is a data source.
type reader interface {
	read(ctx context.Context, r request) (Out, error)
}

// sourceName is what may stand in DATABASE_<NAME>_URL.
var sourceName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}$`)

// source returns the data source of that name, from the setting DATABASE_URL or DATABASE_<NAME>_URL.
func source(name string, setting func(name, def string) string) (reader, error) {
	key := "DATABASE_URL"
	if name != "" && name != "default" {
		if !sourceName.MatchString(name) {
			return nil, fault.New(fault.Invalid, "want letters, digits and _, not %q", name).At("params.datasource")
		}
		key = "DATABASE_" + strings.ToUpper(name) + "_URL"
	}
	address := setting(key, "")
	if address == "" {
		return nil, fault.New(fault.NotFound, "there is no data source: %s is not set", key).
			At("params.datasource").Try("set " + key + " to a sqlite://, postgres:// or mysql:// address")
	}
	u, err := url.Parse(address)
	if err != nil {
		// The error of url.Parse quotes the address, and with it the password.
		return nil, fault.New(fault.Invalid, "not an address").At(key)
	}
	switch u.Scheme {
	case "sqlite", "sqlite3", "file":
		return sqliteSource{path: sqlitePath(u)}, nil
	case "postgres", "postgresql":
		return postgresSource{setting: key, url: address}, nil
	case "mysql", "mariadb":
		return mysqlSource{setting: key, url: u}, nil
	default:
		return nil, fault.New(fault.Invalid, "want sqlite://, postgres:// or mysql://, not %q", u.Scheme).At(key)
	}
}

// sqlitePath is the file of sqlite:///absolute/path, sqlite:relative, file:/path and their like. Parameters
// are dropped: how the file is opened is not the address's to say.
func sqlitePath(u *url.URL) string {
	if u.Opaque != "" {
		if path, err := url.PathUnescape(u.Opaque); err == nil {
			return path
		}
		return u.Opaque
	}
	return u.Host + u.Path
}
