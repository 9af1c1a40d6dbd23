package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/tests/smalldisk"
)

// TestFullDisk lets the disk be full on which files are kept, when a run has made some: it says why it failed, what
// it made is gone, and the same goes well as soon as there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	noModel(t, nil)
	data := filepath.Join(t.TempDir(), "data")
	blobs := filepath.Join(data, "blobs")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		t.Fatal(err)
	}
	smalldisk.Mount(t, blobs, "8m")
	b := runIn(t, data, nil)
	b.spoken("full", "make them all", false)
	filler := filepath.Join(blobs, "filler")
	if err := smalldisk.Fill(filler, 32<<10); err != nil { // room for some of the sheets, and not for all
		t.Fatal(err)
	}
	run := b.answered("full", b.say("full", "please make them all", "1")).Run
	if v := b.until(run, "ends", over); v.State != "rolled_back" {
		b.Errorf("the run is %+v", v)
	}
	b.expectSheets("full", 0)
	if shown, _, _ := b.hearth("runs", "show", run); !strings.Contains(shown, "the disk is full") {
		b.Errorf("it does not say why:\n%s", shown)
	}
	b.toldOnce("full", run, "Failed and rolled back")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	run = b.answered("full", b.say("full", "please make them all", "2")).Run
	if v := b.until(run, "ends", over); v.State != "done" {
		b.Errorf("there is space, and the run is %+v", v)
	}
	b.expectSheets("full", sheets)
}
