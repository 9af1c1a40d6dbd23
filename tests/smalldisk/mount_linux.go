package smalldisk

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Mount mounts a disk of so many bytes on a folder, until the test has ended.
func Mount(t *testing.T, folder, bytes string) {
	t.Helper()
	if err := unix.Mount("hearth-test", folder, "tmpfs", unix.MS_NODEV|unix.MS_NOSUID, "size="+bytes); err != nil {
		t.Skipf("SKIP: a full disk needs a mount of its own, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", folder, err)
		}
	})
}
