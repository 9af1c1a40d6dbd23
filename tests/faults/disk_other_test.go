//go:build !linux

package faults

import "testing"

// smallDisk needs Linux.
func smallDisk(t *testing.T, _, _ string) {
	t.Helper()
	t.Skip("SKIP: a full disk is made on Linux only")
}
