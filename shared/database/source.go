// Package database reaches SQL databases for plugins: one transaction on a connection of its own, on the clock
// of the run, with limits on time and on what it may write. It is the only home of the drivers.
package database

import (
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// Source is a data source.
type Source struct {
	Dialect sqltext.Dialect

	setting string // where the address came from
	address string // never to be shown: it holds the password
	url     *url.URL
}

// sourceName is what may stand in DATABASE_<NAME>_URL.
var sourceName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}$`) })

// Find returns the data source of that name, from the setting DATABASE_URL (the name default, or none) or
// DATABASE_<NAME>_URL. Errors are Invalid, and NotFound for a setting that is missing.
func Find(name string, setting func(name, def string) string) (Source, error) {
	key := "DATABASE_URL"
	if name != "" && name != "default" {
		if !sourceName().MatchString(name) {
			return Source{}, fault.New(fault.Invalid, "want letters, digits and _, not %q", name).At("params.datasource")
		}
		key = "DATABASE_" + strings.ToUpper(name) + "_URL"
	}
	address := setting(key, "")
	if address == "" {
		return Source{}, fault.New(fault.NotFound, "there is no data source: %s is not set", key).
			At("params.datasource").Try("set " + key + " to a sqlite://, postgres:// or mysql:// address")
	}
	u, err := url.Parse(address)
	if err != nil {
		// The error of url.Parse quotes the address, and with it the password.
		return Source{}, fault.New(fault.Invalid, "not an address").At(key)
	}
	src := Source{setting: key, address: address, url: u}
	switch u.Scheme {
	case "sqlite", "sqlite3", "file":
		src.Dialect = sqltext.SQLite
	case "postgres", "postgresql":
		src.Dialect = sqltext.Postgres
	case "mysql", "mariadb":
		src.Dialect = sqltext.MySQL
	default:
		return Source{}, fault.New(fault.Invalid, "want sqlite://, postgres:// or mysql://, not %q", u.Scheme).At(key)
	}
	return src, nil
}

// path is the file of sqlite:///absolute/path, sqlite:relative, file:/path and their like. Parameters are
// dropped: how the file is opened is not the address's to say.
func (s Source) path() string {
	if s.url.Opaque == "" {
		return s.url.Host + s.url.Path
	}
	if path, err := url.PathUnescape(s.url.Opaque); err == nil {
		return path
	}
	return s.url.Opaque
}
