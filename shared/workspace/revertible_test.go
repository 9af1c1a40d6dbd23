package workspace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// TestRevertibleOnlyLooks says what a Revert would bring, and what it would refuse, and leaves all as it is.
func TestRevertibleOnlyLooks(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	look := func(path, key string) string {
		t.Helper()
		before := state(t, b)
		back, err := b.Revertible(t.Context(), b.owner, path, workspace.Made{Key: key})
		want(t, b, before)
		return fmt.Sprint(back, fault.KindOf(err) == fault.Conflict)
	}
	put(t, b, "/a", "one", "k1")
	put(t, b, "/a", "two", "k2")
	for _, c := range []struct{ path, key, says string }{
		{"/a", "k2", "{/a 1 false} false"},
		{"/a", "k1", "{ 0 false} true"}, // k2 came after it
		{"/a", "k9", "{/a 0 true} false"},
	} {
		if got := look(c.path, c.key); got != c.says {
			t.Errorf("%s of %s: %s, want %s", c.key, c.path, got, c.says)
		}
	}
	must(t, b.Revert(t.Context(), b.owner, "/a", workspace.Made{Key: "k2"}, by("k2")))
	if got := look("/a", "k2"); got != "{/a 0 true} false" {
		t.Errorf("after the revert: %s", got)
	}
	if got := look("/a", "k1"); got != "{/a 0 false} false" {
		t.Errorf("of the first version: %s", got)
	}
}

// TestAppliedFindsItWhereverItIs: what a step made is found where somebody moved it, and in the trash.
func TestAppliedFindsItWhereverItIs(t *testing.T) {
	b := open(t, workspace.DefaultLimits)
	applied := func(path, key, where string) {
		t.Helper()
		f, found, err := b.Applied(t.Context(), b.owner, path, key)
		if err != nil || found != (where != "") || found && !strings.HasPrefix(f.Path, where) {
			t.Errorf("%s at %s: %+v %v %v, want %q", key, path, f, found, err, where)
		}
	}
	applied("/a", "k", "")
	put(t, b, "/a", "one", "k")
	applied("/a", "k", "/a")
	_, err := b.Move(t.Context(), b.owner, "/a", "/b", by("m"))
	must(t, err)
	applied("/a", "k", "/b")
	applied("/b", "m", "/b")
	_, err = b.Trash(t.Context(), b.owner, "/b", by("d"))
	must(t, err)
	applied("/b", "d", "/.trash/")
	must(t, b.Revert(t.Context(), b.owner, "/b", workspace.Made{Key: "d"}, by("d")))
	applied("/b", "d", "")
	put(t, b, "/c", "one", "k")
	for i := range 80 {
		put(t, b, "/c", "x", fmt.Sprint("x", i))
	}
	if _, _, err := b.Applied(t.Context(), b.owner, "/c", "k"); !fault.Is(err, fault.Failed) {
		t.Errorf("what is forgotten is called not done: %v", err)
	}
}

// TestRefusalShowsTheDifference: who, when, size and hash of both versions, the lines of texts, and no secret.
func TestRefusalShowsTheDifference(t *testing.T) {
	long := strings.Repeat("same\n", 30)
	for name, c := range map[string]struct {
		path, then, now string
		diff            string
	}{
		"lines":              {"/a.txt", "a\nb\nc\nd\ne\nf\n", "a\nb\nC\nd\ne\nf\ng\n", "@@ -1,6 +1,7 @@| a| b|-c|+C| d| e| f|+g"},
		"far apart":          {"/a.txt", "x\n" + long + "y\n", "X\n" + long + "Y\n", "@@ -1,3 +1,3 @@|-x|+X| same| same|@@ -30,3 +30,3 @@| same| same|-y|+Y"},
		"in the middle":      {"/a.txt", long + "y\n" + long, long + long, "@@ -29,5 +29,4 @@| same| same|-y| same| same"},
		"emptied":            {"/a.txt", "x\n", "", "@@ -1,1 +1,0 @@|-x"},
		"a secret in it":     {"/a.txt", "user=a\npassword=hunter1\n", "user=b\npassword=hunter2\n", "@@ -1,2 +1,2 @@|-user=a|-•••|+user=b|+•••"},
		"a file of secrets":  {"/.env", "a=1\n", "a=2\n", ""},
		"a secret's name":    {"/secrets.txt", "a\n", "b\n", ""},
		"binary":             {"/a.bin", "a\x00b", "a\x00c", ""},
		"too large":          {"/a.txt", strings.Repeat("x\n", 40<<10), "y\n", ""},
		"many lines":         {"/a.txt", strings.Repeat("x\n", 500), "y\n", ""},
		"more than is shown": {"/a.txt", strings.Repeat("x\n", 50), "y\n", "@@ -1,50 +1,1 @@|" + strings.Repeat("-x|", 23) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, workspace.DefaultLimits)
			made := put(t, b, c.path, c.then, "k")
			put(t, b, c.path, c.now, "other")
			err := b.Revert(t.Context(), b.owner, c.path, workspace.Made{Version: made.Version, Key: "k"}, by("k"))
			changes := fault.Changes(err)
			if !fault.Is(err, fault.Conflict) || len(changes) != 1 || changes[0].What != c.path {
				t.Fatalf("%v shows %+v", err, changes)
			}
			then, now := changes[0].Then, changes[0].Now
			if !strings.HasPrefix(then, fmt.Sprintf("v1 · %d B · sha256 ", len(c.then))) || !strings.Contains(then, " · r1/s-k · 20") || !strings.HasPrefix(now, "v2 · ") || !strings.Contains(now, "r1/s-other") {
				t.Errorf("%q, now %q", then, now)
			}
			if got := strings.Join(changes[0].Diff, "|"); got != c.diff {
				t.Errorf("the difference is\n%s\nwant\n%s", got, c.diff)
			}
		})
	}
}
