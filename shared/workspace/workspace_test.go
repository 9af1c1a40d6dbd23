package workspace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/blob"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// bench is a store with a clock of its own and a look at the disk.
type bench struct {
	*workspace.Store
	data  string
	owner string
	now   atomic.Int64 // seconds
}

func open(t testing.TB, limits workspace.Limits) *bench {
	t.Helper()
	b := &bench{data: t.TempDir(), owner: "li"}
	b.now.Store(1_800_000_000)
	blobs, err := blob.Open(t.Context(), fntest.Env(t, map[string]string{"HEARTH_DATA": b.data}))
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return time.Unix(b.now.Add(1), 0) }
	b.Store = workspace.New(ledgertest.Open(t), blobs, clock, limits)
	return b
}

// blobs counts the stored contents.
func (b *bench) blobs(t testing.TB) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(b.data, "blobs"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func by(key string) workspace.By {
	return workspace.By{Run: "r1", Step: "s-" + key, Key: key}
}

func put(t testing.TB, b *bench, path, content, key string) workspace.File {
	t.Helper()
	f, err := b.Write(t.Context(), b.owner, path, strings.NewReader(content), int64(len(content)), workspace.Options{By: by(key), Base: workspace.Any})
	if err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
	return f
}

func text(ctx context.Context, b *bench, path string) string {
	_, r, err := b.Read(ctx, b.owner, path, workspace.Latest)
	if err != nil {
		return "(" + string(fault.KindOf(err)) + ")"
	}
	content, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return err.Error()
	}
	return string(content)
}

// state is the whole workspace as one text.
func state(t testing.TB, b *bench) string {
	t.Helper()
	files, err := b.List(t.Context(), b.owner, "/")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		fmt.Fprintf(&all, "%s=%s ", f.Path, text(t.Context(), b, f.Path))
	}
	return strings.TrimSpace(all.String())
}

func want(t testing.TB, b *bench, expected string) {
	t.Helper()
	if got := state(t, b); got != expected {
		t.Fatalf("the workspace is %q, want %q", got, expected)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t testing.TB, err error, kind fault.Kind, part string) {
	t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(fault.Text(err), part) {
		t.Fatalf("%v, want %s with %q", err, kind, part)
	}
}

func TestVersions(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	first := put(t, b, "/a.txt", "one", "k1")
	second := put(t, b, "a.txt", "three", "k2")
	if first.Version != 1 || second.Version != 2 || second.Size != 5 || second.Path != "/a.txt" || !strings.HasPrefix(second.Type, "text/plain") {
		t.Fatalf("%+v %+v", first, second)
	}
	_, r, err := b.Read(t.Context(), b.owner, "/a.txt", 1)
	must(t, err)
	defer r.Close()
	if old, err := io.ReadAll(r); string(old) != "one" || err != nil {
		t.Fatalf("%q %v", old, err)
	}
	want(t, b, "/a.txt=three")
	_, _, err = b.Read(t.Context(), b.owner, "/a.txt", 3)
	wantKind(t, err, fault.NotFound, "no version 3")
	_, _, err = b.Read(t.Context(), "other", "/a.txt", workspace.Latest)
	wantKind(t, err, fault.NotFound, "")
}

func TestWriteIsIdempotentByKey(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	put(t, b, "/a", "one", "k")
	put(t, b, "/a", "another content", "k")
	want(t, b, "/a=one")
	if n := b.blobs(t); n != 1 {
		t.Fatalf("%d blobs are kept", n)
	}
	put(t, b, "/b", "b", "k")
	want(t, b, "/a=one /b=b")
}

func TestBase(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	write := func(content string, base int64) error {
		_, err := b.Write(t.Context(), b.owner, "/a", strings.NewReader(content), -1, workspace.Options{Base: base})
		return err
	}
	wantKind(t, write("x", 1), fault.Conflict, "gone")
	must(t, write("one", workspace.Absent))
	wantKind(t, write("x", workspace.Absent), fault.Conflict, "already")
	must(t, write("two", 1))
	wantKind(t, write("x", 1), fault.Conflict, "version 2")
	want(t, b, "/a=two")
	if n := b.blobs(t); n != 2 {
		t.Fatalf("refused contents are kept: %d", n)
	}
}

func TestTemplatesFallBack(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	_, err := b.Write(t.Context(), workspace.TemplatesOwner, "/templates/r.xlsx", strings.NewReader("shared"), 6, workspace.Options{})
	must(t, err)
	want(t, b, "/templates/r.xlsx=shared")
	_, err = b.Move(t.Context(), b.owner, "/templates/r.xlsx", "/mine.xlsx", by("m"))
	wantKind(t, err, fault.Forbidden, "copied")
	_, err = b.Copy(t.Context(), b.owner, "/templates/r.xlsx", "/mine.xlsx", by("c"))
	must(t, err)
	put(t, b, "/templates/r.xlsx", "own", "k")
	want(t, b, "/mine.xlsx=shared /templates/r.xlsx=own")
	must(t, b.Revert(t.Context(), b.owner, "/templates/r.xlsx", workspace.Made{Key: "k"}, by("u")))
	want(t, b, "/mine.xlsx=shared /templates/r.xlsx=shared")
	if _, _, err := b.Read(t.Context(), b.owner, "/secret", workspace.Latest); !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
}

func TestMoveKeepsTheVersions(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	put(t, b, "/a", "one", "k1")
	put(t, b, "/a", "two", "k2")
	f, err := b.Move(t.Context(), b.owner, "/a", "/b", by("m"))
	must(t, err)
	again, err := b.Move(t.Context(), b.owner, "/a", "/b", by("m"))
	if err != nil || again.Version != f.Version {
		t.Fatalf("repeated: %+v %v", again, err)
	}
	want(t, b, "/b=two")
	_, _, err = b.Read(t.Context(), b.owner, "/a", workspace.Latest)
	wantKind(t, err, fault.NotFound, "went to /b")
	_, r, err := b.Read(t.Context(), b.owner, "/b", 1)
	must(t, err)
	must(t, r.Close())
	put(t, b, "/c", "c", "k3")
	_, err = b.Move(t.Context(), b.owner, "/b", "/c", by("m2"))
	wantKind(t, err, fault.Conflict, "already")
	_, err = b.Move(t.Context(), b.owner, "/b", "/b", by("m3"))
	wantKind(t, err, fault.Invalid, "")
	_, err = b.Move(t.Context(), b.owner, "/nothing", "/d", by("m4"))
	wantKind(t, err, fault.NotFound, "")
}

func TestTrash(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	put(t, b, "/dir/a", "one", "k1")
	f, err := b.Trash(t.Context(), b.owner, "/dir/a", by("t"))
	must(t, err)
	again, err := b.Trash(t.Context(), b.owner, "/dir/a", by("t"))
	if err != nil || again.Path != f.Path || !workspace.Under(f.Path, workspace.Trash) {
		t.Fatalf("%+v %+v %v", f, again, err)
	}
	want(t, b, "")
	if text(t.Context(), b, f.Path) != "one" {
		t.Fatal("the trash lost the content")
	}
	listed, err := b.List(t.Context(), b.owner, workspace.Trash)
	if err != nil || len(listed) != 1 {
		t.Fatal(listed, err)
	}
	_, err = b.Trash(t.Context(), b.owner, f.Path, by("t2"))
	wantKind(t, err, fault.Invalid, "already")
	_, err = b.Write(t.Context(), b.owner, workspace.Trash+"/x", strings.NewReader(""), 0, workspace.Options{})
	wantKind(t, err, fault.Forbidden, "")
	_, err = b.Move(t.Context(), b.owner, f.Path, "/dir/b", by("m"))
	must(t, err)
	want(t, b, "/dir/b=one")
}

func TestOldContentGoes(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	for i := range 100 {
		put(t, b, "/a", fmt.Sprint("content ", i), fmt.Sprint("k", i))
	}
	if n := b.blobs(t); n < 16 || n > 18 {
		t.Fatalf("%d contents are kept", n)
	}
	_, _, err := b.Read(t.Context(), b.owner, "/a", 80)
	wantKind(t, err, fault.NotFound, "no longer kept")
	_, _, err = b.Read(t.Context(), b.owner, "/a", 2)
	wantKind(t, err, fault.NotFound, "")
	want(t, b, "/a=content 99")
	must(t, b.Revert(t.Context(), b.owner, "/a", workspace.Made{Key: "k99"}, by("u")))
	want(t, b, "/a=content 98")
}

func TestLimits(t *testing.T) {
	b := open(t, workspace.Limits{File: 10, Bytes: 25, Files: 3})
	write := func(path string, n int, announced int64) error {
		_, err := b.Write(t.Context(), b.owner, path, strings.NewReader(strings.Repeat("x", n)), announced, workspace.Options{By: by(path)})
		return err
	}
	wantKind(t, write("/a", 11, 11), fault.TooLarge, "10 bytes")
	wantKind(t, write("/a", 11, -1), fault.TooLarge, "10 bytes")
	wantKind(t, write("/a", 1<<20, 5), fault.Invalid, "")
	must(t, write("/a", 10, 10))
	must(t, write("/b", 10, -1))
	wantKind(t, write("/c", 6, 6), fault.TooLarge, "full")
	must(t, write("/c", 5, 5))
	wantKind(t, write("/d", 0, 0), fault.TooLarge, "full")
	if n := b.blobs(t); n != 3 {
		t.Fatalf("refused contents are kept: %d", n)
	}
	_, err := b.Trash(t.Context(), b.owner, "/a", by("t"))
	must(t, err)
	wantKind(t, write("/d", 1, 1), fault.TooLarge, "full")
	b.now.Add(int64(31 * 24 * time.Hour / time.Second))
	must(t, write("/d", 1, 1)) // makes room by what was deleted a month ago
	if listed, err := b.List(t.Context(), b.owner, workspace.Trash); err != nil || len(listed) != 0 {
		t.Fatal(listed, err)
	}
	_, err = b.Write(t.Context(), "other", "/a", strings.NewReader("mine"), 4, workspace.Options{})
	must(t, err)
}

func TestLabelsStick(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	o := workspace.Options{By: workspace.By{Key: "k", Labels: []string{"external"}}}
	_, err := b.Write(t.Context(), b.owner, "/a", strings.NewReader("x"), 1, o)
	must(t, err)
	f, err := b.Copy(t.Context(), b.owner, "/a", "/b", workspace.By{Key: "c", Labels: []string{"mail"}})
	if err != nil || strings.Join(f.Labels, " ") != "external mail" {
		t.Fatalf("%+v %v", f, err)
	}
	moved, err := b.Move(t.Context(), b.owner, "/b", "/c", workspace.By{Key: "m"})
	if err != nil || strings.Join(moved.Labels, " ") != "external mail" {
		t.Fatalf("%+v %v", moved, err)
	}
}

// TestConcurrentMoves: of many moves of one file one succeeds, and the file is there once.
func TestConcurrentMoves(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	put(t, b, "/a", "one", "k")
	var all sync.WaitGroup
	var moved atomic.Int64
	for i := range 8 {
		all.Go(func() {
			key := fmt.Sprint("m", i)
			_, err := b.Move(t.Context(), b.owner, "/a", "/to-"+key, by(key))
			if err == nil {
				moved.Add(1)
			} else if !fault.Is(err, fault.NotFound) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if files, err := b.List(t.Context(), b.owner, "/"); moved.Load() != 1 || len(files) != 1 || err != nil {
		t.Fatal(moved.Load(), files, err)
	}
}

// TestConcurrentWrites: every write of another path succeeds, those of one path with Absent once, and the
// sums are exact.
func TestConcurrentWrites(t *testing.T) {
	b := open(t, workspace.Limits{File: 1 << 20, Bytes: 8*100 + 100, Files: 100})
	content := bytes.Repeat([]byte("x"), 100)
	var all sync.WaitGroup
	var first atomic.Int64
	for i := range 8 {
		all.Go(func() {
			key := fmt.Sprint("w", i)
			_, err := b.Write(t.Context(), b.owner, "/"+key, bytes.NewReader(content), 100, workspace.Options{By: by(key)})
			if err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			key := fmt.Sprint("one", i)
			_, err := b.Write(t.Context(), b.owner, "/one", bytes.NewReader(content), 100, workspace.Options{By: by(key)})
			if err == nil {
				first.Add(1)
			} else if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.TooLarge) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if files, err := b.List(t.Context(), b.owner, "/"); first.Load() != 1 || len(files) != 9 || err != nil {
		t.Fatal(first.Load(), files, err)
	}
	if n := b.blobs(t); n != 9 {
		t.Fatalf("%d contents for 9 files", n)
	}
	_, err := b.Write(t.Context(), b.owner, "/more", strings.NewReader("x"), 1, workspace.Options{})
	wantKind(t, err, fault.TooLarge, "full")
}

// TestConcurrentAttempts: attempts of one effect at the same time make one version, and all return it.
func TestConcurrentAttempts(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			f, err := b.Write(t.Context(), b.owner, "/a", strings.NewReader(fmt.Sprint(i)), -1, workspace.Options{By: by("k"), Base: workspace.Any})
			if err != nil || f.Version != 1 {
				t.Errorf("%+v %v", f, err)
			}
		})
	}
	all.Wait()
	if n := b.blobs(t); n != 1 {
		t.Fatalf("%d contents for one version", n)
	}
}

func TestLostContentIsSaid(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	put(t, b, "/a", "one", "k")
	must(t, os.RemoveAll(filepath.Join(b.data, "blobs", "files")))
	_, _, err := b.Read(t.Context(), b.owner, "/a", workspace.Latest)
	wantKind(t, err, fault.Internal, "lost")
}
