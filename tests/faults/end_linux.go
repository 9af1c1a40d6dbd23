package faults

import "syscall"

// withUs lets a process die with the suite. Go's threads live as long as the process unless they are locked,
// and ours are not, so the kernel's signal at the end of a thread means the end of all.
func withUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
