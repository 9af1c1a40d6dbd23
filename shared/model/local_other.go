//go:build !linux

package model

import "os/exec"

// tie does nothing where the system offers no such tie: a killed `hearth up` leaves the child running.
func tie(*exec.Cmd) {}
