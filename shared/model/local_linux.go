package model

import (
	"os/exec"
	"syscall"
)

// tie makes the kernel end the child when this process dies, however it does.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
