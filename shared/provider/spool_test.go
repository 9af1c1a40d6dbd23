package provider

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
)

func open(t interface {
	Fatal(args ...any)
}, path string,
) (*spool, []spooled) {
	s, waiting, err := openSpool(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s, waiting
}

// TestSpoolSurvivesCuts adds, finishes, and cuts off the end of the file as a crash may, in any order: what was
// written before the cut and not finished comes back, oldest first, and nothing else.
func TestSpoolSurvivesCuts(t *testing.T) {
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		path := filepath.Join(dir, fmt.Sprint(run))
		s, _ := open(t, path)
		live := map[uint64][]byte{}
		ends := map[uint64]int64{} // where the file ended after each add
		for range rapid.IntRange(1, 30).Draw(t, "operations") {
			if ids := slices.Sorted(maps.Keys(live)); len(ids) > 0 && rapid.Bool().Draw(t, "finish") {
				id := rapid.SampledFrom(ids).Draw(t, "id")
				s.done(id)
				delete(live, id)
				continue
			}
			payload := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload")
			id, err := s.add(payload)
			if err != nil {
				t.Fatal(err)
			}
			live[id], ends[id] = payload, sizeOf(t, path)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		cut := int64(rapid.IntRange(0, int(sizeOf(t, path))).Draw(t, "cut"))
		if err := os.Truncate(path, cut); err != nil {
			t.Fatal(err)
		}
		s, waiting := open(t, path)
		defer s.close()
		before := uint64(0)
		for _, w := range waiting {
			if w.id <= before || ends[w.id] > cut || (live[w.id] != nil && !bytes.Equal(w.payload, live[w.id])) {
				t.Fatalf("call %d of %d bytes came back after %d, cut at %d", w.id, len(w.payload), before, cut)
			}
			before = w.id
		}
		for id := range live {
			if ends[id] <= cut && !slices.ContainsFunc(waiting, func(w spooled) bool { return w.id == id }) {
				t.Fatalf("call %d is lost, cut at %d of %d", id, cut, ends[id])
			}
		}
	})
}

func sizeOf(t interface{ Fatal(args ...any) }, path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestSpoolDropsWhatIsDone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s, _ := open(t, path)
	payload := bytes.Repeat([]byte{1}, 64<<10)
	kept, err := s.add([]byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * compactAt / len(payload) {
		id, err := s.add(payload)
		if err != nil {
			t.Fatal(err)
		}
		s.done(id)
	}
	if size := sizeOf(t, path); size > compactAt+int64(len(payload))*2 {
		t.Errorf("the file has grown to %d", size)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s, waiting := open(t, path)
	defer s.close()
	if len(waiting) != 1 || waiting[0].id != kept || string(waiting[0].payload) != "kept" {
		t.Errorf("came back: %d calls", len(waiting))
	}
}

func TestSpoolNeverReusesAnID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s, _ := open(t, path)
	var before uint64
	for range 3 {
		id, err := s.add([]byte("x"))
		if err != nil || id <= before {
			t.Fatalf("id %d after %d, %v", id, before, err)
		}
		before = id
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		s, _ = open(t, path)
	}
	s.close()
}

// TestSpoolRecovers is a full disk: adds are refused while it lasts, what was accepted stays, and adds work
// again without a restart.
func TestSpoolRecovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s, _ := open(t, path)
	if _, err := s.add([]byte("before")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil { // so that rewriting fails too
		t.Fatal(err)
	}
	s.file.Close() // every write fails from now on
	for range 2 {
		if _, err := s.add([]byte("refused")); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("an add without a file gave %v", err)
		}
	}
	if err := os.Remove(path + ".new"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.add([]byte("after")); err != nil {
		t.Fatalf("when the disk is back, an add gives %v", err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s, waiting := open(t, path)
	defer s.close()
	var got []string
	for _, w := range waiting {
		got = append(got, string(w.payload))
	}
	if !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("came back: %q", got)
	}
	if _, err := s.add(make([]byte, maxRecord+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a record too large gave %v", err)
	}
}

func TestSpoolDropsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s, _ := open(t, path)
	for _, text := range []string{"whole", "damaged"} {
		if _, err := s.add([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s, waiting := open(t, path)
	defer s.close()
	if len(waiting) != 1 || string(waiting[0].payload) != "whole" {
		t.Errorf("came back: %d calls", len(waiting))
	}
}

// TestSpoolSyncs uses a file that can be written and not synced.
func TestSpoolSyncs(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "spool"))
	defer s.close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s.file.Close()
	s.file = w
	if _, err := s.add([]byte("x")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an add that was not synced gave %v", err)
	}
}

func TestSpoolAfterClose(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "spool"))
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s.done(1)
	if _, err := s.add(nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkSpoolAdd(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s, _ := open(b, filepath.Join(b.TempDir(), "spool"))
			defer s.close()
			payload := make([]byte, 600)
			var group sync.WaitGroup
			for range callers {
				group.Go(func() {
					for range b.N / callers {
						id, err := s.add(payload)
						if err != nil {
							b.Error(err)
						}
						s.done(id)
					}
				})
			}
			group.Wait()
		})
	}
}

// TestSpoolIsBounded fills the spool, and then the disk as far as adds may.
func TestSpoolIsBounded(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "spool"))
	defer s.close()
	s.most = 1000
	first, err := s.add(make([]byte, 600))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.add(make([]byte, 600)); !fault.Is(err, fault.Limited) {
		t.Errorf("an add beyond the bound gave %v", err)
	}
	if _, err := s.replace(first, make([]byte, 1200)); err != nil {
		t.Errorf("an outcome was refused: %v", err)
	}
	s.most, s.spare = maxSpool, 1<<62
	if _, err := s.add(nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an add to a full disk gave %v", err)
	}
	s.spare = minDisk
	if _, err := s.add(nil); err != nil {
		t.Errorf("an add after that gave %v", err)
	}
}

// What is replaced is there before or after, and what is forgotten does not come back.
func TestSpoolReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s, _ := open(t, path)
	var ids []uint64
	for _, text := range []string{"a", "b", "c"} {
		id, err := s.add([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if _, err := s.replace(ids[0], []byte("A")); err != nil {
		t.Fatal(err)
	}
	if err := s.forget(ids[1:2]); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil { // so that rewriting fails too
		t.Fatal(err)
	}
	s.file.Close()
	if _, err := s.replace(ids[2], []byte("C")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a replacement without a file gave %v", err)
	}
	if err := os.Remove(path + ".new"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.add([]byte("d")); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s, waiting := open(t, path)
	defer s.close()
	var got []string
	for _, w := range waiting {
		got = append(got, string(w.payload))
	}
	if slices.Sort(got); !slices.Equal(got, []string{"A", "c", "d"}) {
		t.Errorf("came back: %q", got)
	}
}
