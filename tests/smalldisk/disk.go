// Package smalldisk makes disks for tests that are soon full.
package smalldisk

import (
	"errors"
	"os"
	"syscall"
)

// Fill writes a file until its disk is full, and leaves so many bytes.
func Fill(path string, left int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	size, page := int64(0), make([]byte, 4096)
	for err == nil {
		var n int
		n, err = f.Write(page)
		size += int64(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return f.Truncate(max(0, size-left))
}
