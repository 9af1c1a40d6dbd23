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
	_, err := s.revert(ctx, owner, path, made, by, false)
	return err
}

// Back is what a Revert would bring: the state of this version at the path, or no file there any more.
type Back struct {
	Path    string
	Version int64 // 0: no file
	Nothing bool  // there is nothing to take back
}

// Revertible returns what Revert would bring now, and changes nothing. The error is that of Revert.
func (s *Store) Revertible(ctx context.Context, owner, path string, made Made) (Back, error) {
	return s.revert(ctx, owner, path, made, By{}, true)
}

func (s *Store) revert(ctx context.Context, owner, path string, made Made, by By, look bool) (Back, error) {
	var back Back
	path, err := Clean(path)
	if err != nil {
		return back, err
	}
	if made.Key == "" {
		return back, fault.New(fault.Invalid, "a revert needs the key of what it takes back")
	}
	err = s.change(ctx, owner, func(c *change) error {
		found, err := c.locate(ctx, path, made)
		if err != nil {
			return err
		}
		back = Back{Path: path, Nothing: true}
		if found.at >= 0 {
			back, err = c.takeBack(ctx, found.path, found.at, by)
		} else if made.Version != 0 && !found.undone {
			err = fault.New(fault.Conflict, "version %d of %s is no longer known; the file has changed too often since", made.Version, path)
		}
		if look {
			clear(c.loaded) // nothing of it is written
		}
		return err
	})
	return back, err
}

// Applied returns what an effect with this key made at path (for a deletion, from there), wherever it is now,
// and false if it made nothing or was taken back. Failed: the file has changed too often since to tell.
func (s *Store) Applied(ctx context.Context, owner, path, key string) (File, bool, error) {
	var made File
	applied := false
	path, err := Clean(path)
	if err != nil || key == "" {
		return made, false, err
	}
	err = s.change(ctx, owner, func(c *change) error {
		found, err := c.locate(ctx, path, Made{Key: key})
		if err != nil {
			return err
		}
		if found.at < 0 {
			if h := c.loaded[path]; len(h.now.Versions) >= keepRecords && !found.undone {
				return fault.New(fault.Failed, "%s has changed too often since to tell", path)
			}
			return nil
		}
		h := c.loaded[found.path].now
		v := h.Versions[found.at]
		made, applied = v.file(found.path), !h.undone(v.N)
		return nil
	})
	return made, applied, err
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
func (c *change) takeBack(ctx context.Context, home string, i int, by By) (Back, error) {
	h, err := c.at(ctx, home)
	if err != nil {
		return Back{}, err
	}
	made := h.Versions[i]
	if h.undone(made.N) {
		return Back{Path: home, Nothing: true}, nil
	}
	if h.effective() != i {
		return Back{}, changed(home, made, h).Showing(c.store.difference(ctx, home, made, h))
	}
	back, err := h.before(i, by, c.store.now())
	if err != nil {
		return Back{}, fault.Wrap(err, "%s cannot go back", home)
	}
	if made.Op != opMove && made.Op != opTrash {
		h.add(back)
		return Back{Path: home, Version: back.As}, nil
	}
	origin, err := c.at(ctx, made.Was)
	if err != nil {
		return Back{}, err
	}
	if v, live := origin.current(); live {
		return Back{}, fault.New(fault.Conflict, "%s cannot go back to %s, where there is another file since: %s", home, made.Was, v.describe()).
			Showing(fault.Change{What: made.Was, Now: v.state()})
	}
	relocate(h, origin, made.Was, back)
	h.remember(made.Key) // its record has left with the file
	return Back{Path: made.Was, Version: made.N}, nil
}

// changed says what is there instead of what was made.
func changed(path string, made version, h *history) *fault.Error {
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
	return fmt.Sprintf("version %d (%d bytes, sha256 %.12s, by %s at %s)", v.N, v.Size, v.Hash, v.author(), v.when())
}

func (v version) author() string {
	if v.Run == "" {
		return "somebody"
	}
	return v.Run + "/" + v.Step
}
