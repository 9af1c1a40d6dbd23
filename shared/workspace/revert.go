package workspace

import (
	"context"
	"fmt"
	"slices"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxHops bounds how far Revert follows a file that was moved.
const maxHops = 8

// Revert takes back what an effect made at path: what was written or copied there gets its previous state
// again (none, if there was none), and what was moved there or deleted from there goes back. It tolerates
// an effect that was never applied, where made has no version, and a second call. Conflict, with the
// difference: somebody changed the file since.
func (s *Store) Revert(ctx context.Context, owner, path string, made Made, by By) error {
	path, err := Clean(path)
	if err != nil {
		return err
	}
	if made.Key == "" {
		return fault.New(fault.Invalid, "a revert needs the key of what it takes back")
	}
	return s.change(ctx, owner, func(c *change) error {
		found, err := c.locate(ctx, path, made)
		switch {
		case err != nil:
			return err
		case found.at >= 0:
			return c.takeBack(ctx, found.path, found.at, by)
		case made.Version == 0 || found.undone:
			return nil
		default:
			return fault.New(fault.Conflict, "version %d of %s is no longer known; the file has changed too often since", made.Version, path)
		}
	})
}

// location is where the version is that an effect made: its path and position there, or -1.
type location struct {
	path   string
	at     int
	undone bool // only that it was taken back is still known
}

// locate looks for what an effect made: at the path, where the file went since, and in the trash.
func (c *change) locate(ctx context.Context, path string, made Made) (location, error) {
	nowhere := location{at: -1}
	for _, start := range []string{path, trashed(path, made.Key)} {
		at := start
		for range maxHops {
			h, err := c.at(ctx, at)
			if err != nil {
				return nowhere, err
			}
			if i := h.find(made); i >= 0 {
				return location{path: at, at: i}, nil
			}
			nowhere.undone = nowhere.undone || slices.Contains(h.Undone, made.Key)
			v, _ := h.current()
			if v.To == "" {
				break
			}
			at = v.To
		}
	}
	return nowhere, nil
}

// takeBack restores what was before version i of the history at home.
func (c *change) takeBack(ctx context.Context, home string, i int, by By) error {
	h, err := c.at(ctx, home)
	if err != nil {
		return err
	}
	made := h.Versions[i]
	if h.undone(made.N) {
		return nil
	}
	if h.effective() != i {
		return changed(home, made, h)
	}
	back, err := h.before(i, by, c.store.now())
	if err != nil {
		return fault.Wrap(err, "%s cannot go back", home)
	}
	if made.Op != opMove && made.Op != opTrash {
		h.add(back)
		return nil
	}
	origin, err := c.at(ctx, made.Was)
	if err != nil {
		return err
	}
	if v, live := origin.current(); live {
		return fault.New(fault.Conflict, "%s cannot go back to %s, where there is another file since: %s", home, made.Was, v.describe())
	}
	relocate(h, origin, made.Was, back)
	h.remember(made.Key) // its record has left with the file
	return nil
}

// changed says what is there instead of what was made.
func changed(path string, made version, h *history) error {
	v, live := h.current()
	switch {
	case v.To != "":
		return fault.New(fault.Conflict, "%s was changed since: it went to %s by %s", path, v.To, v.author())
	case !live:
		return fault.New(fault.Conflict, "%s was changed since: it was removed by %s", path, v.author())
	default:
		return fault.New(fault.Conflict, "%s was changed since: the step made %s, and now there is %s", path, made.describe(), v.describe())
	}
}

// describe says in a few words which state a version is.
func (v version) describe() string {
	return fmt.Sprintf("version %d (%d bytes, sha256 %.12s, by %s at %s)", v.N, v.Size, v.Hash, v.author(), v.At.UTC().Format("2006-01-02 15:04:05Z"))
}

func (v version) author() string {
	if v.Run == "" {
		return "somebody"
	}
	return v.Run + "/" + v.Step
}
