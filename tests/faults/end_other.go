//go:build !linux

package faults

import "syscall"

// withUs gives a process its own group. It outlives a suite that is killed.
func withUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
