package plugin_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// TestOldFoldersAreSwept starts a plugin where a killed one left folders, in a folder that others use too.
func TestOldFoldersAreSwept(t *testing.T) {
	work, now := t.TempDir(), time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, age := range map[string]time.Duration{
		"hearth-call-text_joiner-old": 2 * time.Hour, "hearth-call-text_joiner-young": time.Hour,
		"hearth-call-other-old": 2 * time.Hour, "call-old": 2 * time.Hour,
	} {
		dir, when := filepath.Join(work, name), now.Add(-age)
		err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "in-0"), nil, 0o600), os.Chtimes(dir, when, when))
		if err != nil {
			t.Fatal(err)
		}
	}
	env := fntest.Env(t, map[string]string{"HEARTH_WORK": work})
	env.Now = func() time.Time { return now }
	if _, err := plugin.Define(spec(), join, plugin.Undo(unjoin)).New(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	left, err := fs.Glob(os.DirFS(work), "*")
	if want := []string{"call-old", "hearth-call-other-old", "hearth-call-text_joiner-young"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("%q stay, not %q: %v", left, want, err)
	}
}
