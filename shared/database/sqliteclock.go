package database

import (
	"fmt"
	"sync"
	"time"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hearthfaas/hearth/shared/fault"
)

// sqliteClock is a SQLite file system that is the host's own in everything but the time of day. SQLite asks
// it for 'now', so CURRENT_DATE, date('now') and their like follow the run in queries and in views alike,
// which no rewriting of the query could do.
type sqliteClock struct {
	name string
	tls  *libc.TLS
	vfs  uintptr // *stoppedVFS in C memory
	text uintptr // name in C memory
}

// stoppedVFS is a sqlite3_vfs with the time it tells behind it, where SQLite does not look.
type stoppedVFS struct {
	base sqlite3.Tsqlite3_vfs
	now  int64 // milliseconds since the start of the Julian calendar, as xCurrentTimeInt64 wants it
}

// registering keeps the host's file system still while it is copied: registering another one changes it.
var registering sync.Mutex

// julianEpoch is 1970-01-01 in the milliseconds of sqlite3_vfs.xCurrentTimeInt64 (Julian day 2440587.5).
const julianEpoch = 210866760000000

// newSQLiteClock registers a file system whose clock stands at the wall-clock reading of now. SQLite has no
// zones: it takes what it is told for UTC, so the reading must already be that of the run's zone.
func newSQLiteClock(now time.Time) (*sqliteClock, error) {
	c := &sqliteClock{tls: libc.NewTLS()}
	own := sqlite3.Xsqlite3_vfs_find(c.tls, 0)
	if own == 0 {
		c.tls.Close()
		return nil, fault.New(fault.Internal, "SQLite has no file system here")
	}
	c.vfs = libc.Xcalloc(c.tls, 1, libc.Tsize_t(unsafe.Sizeof(stoppedVFS{})))
	if c.vfs == 0 {
		c.tls.Close()
		return nil, fault.New(fault.Unavailable, "out of memory")
	}
	c.name = fmt.Sprintf("hearth-%x", c.vfs)
	text, err := libc.CString(c.name)
	if err != nil {
		c.free()
		return nil, fault.As(fault.Unavailable, err, "out of memory")
	}
	c.text = text
	registering.Lock()
	defer registering.Unlock()
	vfs := stopped(c.vfs)
	vfs.base = stopped(own).base
	vfs.base.FpNext, vfs.base.FzName = 0, text
	vfs.base.FxCurrentTimeInt64 = funcPointer(tellTime)
	_, offset := now.Zone()
	vfs.now = julianEpoch + now.UnixMilli() + int64(offset)*1000
	if rc := sqlite3.Xsqlite3_vfs_register(c.tls, c.vfs, 0); rc != sqlite3.SQLITE_OK {
		c.free()
		return nil, fault.New(fault.Internal, "SQLite refused the run's clock (code %d)", rc)
	}
	return c, nil
}

// Close unregisters the clock. Every connection that uses it must be closed before.
func (c *sqliteClock) Close() {
	registering.Lock()
	defer registering.Unlock()
	sqlite3.Xsqlite3_vfs_unregister(c.tls, c.vfs)
	c.free()
}

func (c *sqliteClock) free() {
	libc.Xfree(c.tls, c.vfs)
	if c.text != 0 {
		libc.Xfree(c.tls, c.text)
	}
	c.tls.Close()
}

// tellTime is xCurrentTimeInt64.
func tellTime(_ *libc.TLS, vfs, out uintptr) int32 {
	*(*(**int64)(unsafe.Pointer(&out))) = stopped(vfs).now
	return sqlite3.SQLITE_OK
}

// stopped looks at C memory. It goes by the variable's address because the memory is not Go's: vet's rule
// about integers turned into pointers is for pointers that the collector could move.
func stopped(vfs uintptr) *stoppedVFS { return *(**stoppedVFS)(unsafe.Pointer(&vfs)) }

// funcPointer returns f in the form in which the translated C code keeps function pointers.
func funcPointer(f func(*libc.TLS, uintptr, uintptr) int32) uintptr {
	return *(*uintptr)(unsafe.Pointer(&struct {
		f func(*libc.TLS, uintptr, uintptr) int32
	}{f}))
}
