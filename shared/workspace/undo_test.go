package workspace_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// TestUndo does each change and takes it back, twice, also when it was never applied.
func TestUndo(t *testing.T) {
	changes := map[string]func(ctx context.Context, b *bench, w workspace.By) (workspace.File, error){
		"write new": func(ctx context.Context, b *bench, w workspace.By) (workspace.File, error) {
			return b.Write(ctx, b.owner, "/new", strings.NewReader("new"), 3, workspace.Options{By: w})
		},
		"overwrite": func(ctx context.Context, b *bench, w workspace.By) (workspace.File, error) {
			return b.Write(ctx, b.owner, "/a", strings.NewReader("new"), 3, workspace.Options{By: w, Base: workspace.Any})
		},
		"copy": func(ctx context.Context, b *bench, w workspace.By) (workspace.File, error) {
			return b.Copy(ctx, b.owner, "/a", "/copy", w)
		},
		"move": func(ctx context.Context, b *bench, w workspace.By) (workspace.File, error) {
			return b.Move(ctx, b.owner, "/a", "/moved", w)
		},
		"delete": func(ctx context.Context, b *bench, w workspace.By) (workspace.File, error) {
			return b.Trash(ctx, b.owner, "/a", w)
		},
	}
	paths := map[string]string{"write new": "/new", "overwrite": "/a", "copy": "/copy", "move": "/moved", "delete": "/a"}
	for name, do := range changes {
		t.Run(name, func(t *testing.T) {
			b, key := open(t, workspace.DefaultLimits), by("step")
			put(t, b, "/a", "one", "k1")
			put(t, b, "/a", "two", "k2")
			before := state(t, b)
			undo := func(path string, version int64) {
				t.Helper()
				must(t, b.Revert(t.Context(), b.owner, path, workspace.Made{Version: version, Key: "step"}, key))
				want(t, b, before)
			}
			undo(paths[name], 0)
			for range 3 { // a step that was taken back may be done anew, with the same key
				f, err := do(t.Context(), b, key)
				must(t, err)
				if state(t, b) == before {
					t.Fatal("nothing happened")
				}
				undo(f.Path, f.Version)
				undo(f.Path, f.Version)
				undo(paths[name], 0)
			}
			_, err := do(t.Context(), b, key)
			must(t, err)
			undo(paths[name], 0)
		})
	}
}

func TestUndoRefusesAfterAChange(t *testing.T) {
	type step func(t *testing.T, b *bench) workspace.File
	write := func(path, content, key string) step {
		return func(t *testing.T, b *bench) workspace.File { return put(t, b, path, content, key) }
	}
	move := func(from, to, key string) step {
		return func(t *testing.T, b *bench) workspace.File {
			f, err := b.Move(t.Context(), b.owner, from, to, by(key))
			must(t, err)
			return f
		}
	}
	trash := func(path, key string) step {
		return func(t *testing.T, b *bench) workspace.File {
			f, err := b.Trash(t.Context(), b.owner, path, by(key))
			must(t, err)
			return f
		}
	}
	for name, tc := range map[string]struct {
		do, since step
		says      string
	}{
		"written again":           {write("/a", "mine", "k"), write("/a", "theirs", "x"), "now there is version 3 (6 bytes"},
		"deleted":                 {write("/a", "mine", "k"), trash("/a", "x"), "/.trash/"},
		"moved away":              {write("/a", "mine", "k"), move("/a", "/b", "x"), "version 3"},
		"moved on":                {move("/a", "/b", "k"), move("/b", "/c", "x"), "r1/s-x"},
		"the origin is taken":     {move("/a", "/b", "k"), write("/a", "theirs", "x"), "another file since"},
		"the target is changed":   {move("/a", "/b", "k"), write("/b", "theirs", "x"), "now there is"},
		"the deleted is replaced": {trash("/a", "k"), write("/a", "theirs", "x"), "another file since"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, workspace.DefaultLimits)
			put(t, b, "/a", "one", "k1")
			made := tc.do(t, b)
			tc.since(t, b)
			before := state(t, b)
			for _, version := range []int64{made.Version, 0} {
				err := b.Revert(t.Context(), b.owner, made.Path, workspace.Made{Version: version, Key: "k"}, by("k"))
				if !fault.Is(err, fault.Conflict) || (version != 0 && !strings.Contains(fault.Text(err), tc.says)) {
					t.Errorf("version %d: %v, want %q", version, err, tc.says)
				}
			}
			want(t, b, before)
		})
	}
}

func TestRollbackNewestFirst(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	put(t, b, "/a", "zero", "k0")
	before := state(t, b)
	made := []workspace.File{put(t, b, "/a", "one", "k1"), put(t, b, "/a", "two", "k2")}
	moved, err := b.Move(t.Context(), b.owner, "/a", "/b", by("k3"))
	must(t, err)
	made = append(made, moved, put(t, b, "/b", "three", "k4"))
	gone, err := b.Trash(t.Context(), b.owner, "/b", by("k5"))
	must(t, err)
	made = append(made, gone)
	for i := len(made) - 1; i >= 0; i-- {
		key := fmt.Sprint("k", i+1)
		must(t, b.Revert(t.Context(), b.owner, made[i].Path, workspace.Made{Version: made[i].Version, Key: key}, by(key)))
	}
	want(t, b, before)
}

func TestRevertNeedsWhatIsKnown(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	err := b.Revert(t.Context(), b.owner, "/a", workspace.Made{}, by("u"))
	wantKind(t, err, fault.Invalid, "")
	err = b.Revert(t.Context(), b.owner, "/a", workspace.Made{Version: 3, Key: "mine"}, by("u"))
	wantKind(t, err, fault.Conflict, "no longer known")
	put(t, b, "/a", "theirs", "x")
	err = b.Revert(t.Context(), b.owner, "/a", workspace.Made{Version: 1, Key: "mine"}, by("u"))
	wantKind(t, err, fault.Conflict, "no longer known")
}
