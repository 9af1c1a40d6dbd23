package sandbox

import (
	"errors"
	"maps"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes gives a process its own group, and a death with the launcher's thread.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// limit sets the limits of a process that has just started, and forbids core dumps: they hold secrets. It
// runs without limits for the moment between fork and here, before its own code does anything of weight.
func limit(pid int, l Limits) error {
	bounds := map[int]int64{unix.RLIMIT_DATA: l.Data, unix.RLIMIT_FSIZE: l.File, unix.RLIMIT_NOFILE: l.Files}
	maps.DeleteFunc(bounds, func(_ int, value int64) bool { return value == 0 })
	bounds[unix.RLIMIT_CORE] = 0
	for resource, value := range bounds {
		bound := &unix.Rlimit{Cur: uint64(value), Max: uint64(value)}
		if err := unix.Prlimit(pid, resource, bound, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}
