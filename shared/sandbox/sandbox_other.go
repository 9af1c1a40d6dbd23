//go:build unix && !linux

package sandbox

import "syscall"

// attributes gives a process its own group. There is no death signal on this system.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limit does nothing: limits of another process cannot be set on this system.
func limit(int, Limits) error { return nil }
