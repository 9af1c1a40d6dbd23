package plugin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// staleAfter is how long the folder of a call is left alone beyond the longest call.
const staleAfter = time.Hour

// workFolder is where the folders of calls are made.
func workFolder(env *fn.Env) string { return env.Setting("HEARTH_WORK", os.TempDir()) }

// folderPrefix begins the names of the folders of this plugin's calls: others may use HEARTH_WORK too.
func (h *host) folderPrefix() string { return "hearth-call-" + h.manifest.ID + "-" }

// makeFolder makes an empty folder for a call.
func (h *host) makeFolder() (string, error) {
	dir, err := os.MkdirTemp(workFolder(h.env), h.folderPrefix())
	if err != nil {
		return "", fault.As(fault.Unavailable, err, "there is no room for the call's files").Try("set HEARTH_WORK to a folder that can be written")
	}
	return dir, nil
}

// tidy removes the call's folder. What is left of it is a leak, not a reason to doubt the effect.
func tidy(c *Call) {
	if err := os.RemoveAll(c.Dir); err != nil {
		c.Log.Error("the call's folder stays behind", "dir", c.Dir, "err", err)
	}
}

// sweep removes the folders of calls whose process was killed. Another process of the plugin may be at work in a
// younger one. A folder that stays is no reason not to serve.
func (h *host) sweep() {
	work := workFolder(h.env)
	entries, err := os.ReadDir(work)
	if err != nil {
		h.env.Log.Warn("old folders of calls are not looked for", "dir", work, "err", err)
		return
	}
	before := h.env.Now().Add(-staleAfter - h.manifest.Limits.Wall)
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), h.folderPrefix()) {
			continue
		}
		if err := removeOld(filepath.Join(work, e.Name()), before); err != nil {
			h.env.Log.Warn("an old folder of a call stays behind", "dir", e.Name(), "err", err)
		}
	}
}

// removeOld removes a folder that was made before a time. Another process may remove it at the same moment.
func removeOld(dir string, before time.Time) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(before) {
		return nil
	}
	return errors.Join(err, os.RemoveAll(dir))
}
