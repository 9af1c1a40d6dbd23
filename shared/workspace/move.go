package workspace

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// writable is Clean for a path to be written: the trash is filled by Trash only.
func writable(name string) (string, error) {
	name, err := Clean(name)
	if err != nil {
		return "", err
	}
	if Under(name, Trash) {
		return "", fault.New(fault.Forbidden, "%s is in the trash, where files come by deletion only", name)
	}
	return name, nil
}

// Move gives a file and its versions another path, where there is no file. Conflict: there is one.
func (s *Store) Move(ctx context.Context, owner, from, to string, by By) (File, error) {
	from, err := Clean(from)
	if err != nil {
		return File{}, err
	}
	if to, err = writable(to); err != nil {
		return File{}, err
	}
	if from == to {
		return File{}, fault.New(fault.Invalid, "%s is where it is already", from)
	}
	return s.move(ctx, owner, from, to, opMove, by)
}

// Trash moves a file to the trash, and returns where it lies there. It stays for KeepTrash at least; Move
// or Revert bring it back.
func (s *Store) Trash(ctx context.Context, owner, name string, by By) (File, error) {
	name, err := Clean(name)
	if err != nil {
		return File{}, err
	}
	if Under(name, Trash) {
		return File{}, fault.New(fault.Invalid, "%s is in the trash already", name)
	}
	by.Key = cmp.Or(by.Key, fn.NewID())
	return s.move(ctx, owner, name, trashed(name, by.Key), opTrash, by)
}

// trashed returns the place in the trash of what an effect deleted: another one for each effect and path,
// and the same one each time the effect is asked for.
func trashed(name, key string) string {
	sum := sha256.Sum256([]byte(key + "\x00" + name))
	return Trash + "/" + hex.EncodeToString(sum[:8]) + "/" + path.Base(name)
}

func (s *Store) move(ctx context.Context, owner, from, to, op string, by By) (File, error) {
	var made File
	err := s.change(ctx, owner, func(c *change) error {
		source, err := c.at(ctx, from)
		if err != nil {
			return err
		}
		target, err := c.at(ctx, to)
		if err != nil {
			return err
		}
		if v, done := target.made(by.Key); done {
			made = v.file(to)
			return nil
		}
		v, live := source.current()
		if !live {
			return s.immovable(ctx, owner, from, source)
		}
		if err := target.expect(to, Absent); err != nil {
			return err
		}
		v.Op, v.Was, v.Undoes, v.As, v.To = op, from, 0, 0, ""
		v.At, v.Run, v.Step, v.Key = s.now(), by.Run, by.Step, by.Key
		made = relocate(source, target, to, v).file(to)
		return nil
	})
	return made, err
}

// immovable says why a file cannot be moved.
func (s *Store) immovable(ctx context.Context, owner, name string, h *history) error {
	if owner != TemplatesOwner && Under(name, Templates) {
		if _, err := s.Stat(ctx, TemplatesOwner, name, Latest); err == nil {
			return fault.New(fault.Forbidden, "%s is a shared template; it can be copied", name)
		}
	}
	return h.missing(name, Latest)
}

// relocate moves a whole history to target and adds v to it. The source keeps a note of where it went, so
// that nobody takes its absence for an undone change.
func relocate(source, target *history, to string, v version) version {
	left := version{Op: opLeft, Gone: true, To: to, At: v.At, Run: v.Run, Step: v.Step, Key: v.Key}
	target.retire()
	source.rememberUndone()
	target.Next = max(source.Next, target.Next)
	target.Versions = source.Versions
	source.Versions = nil
	source.add(left)
	return target.add(v)
}

// Copy makes a new file with the content of another, where there is none. Conflict: there is one.
func (s *Store) Copy(ctx context.Context, owner, from, to string, by By) (File, error) {
	to, err := writable(to)
	if err != nil {
		return File{}, err
	}
	earlier, done, err := s.Made(ctx, owner, to, by.Key)
	if err != nil || done {
		return earlier, err
	}
	f, r, err := s.Read(ctx, owner, from, Latest)
	if err != nil {
		return File{}, err
	}
	defer r.Close()
	kept, err := s.keep(ctx, r, f.Size)
	if err != nil {
		return File{}, err
	}
	by.Labels = slices.Compact(slices.Sorted(slices.Values(slices.Concat(by.Labels, f.Labels))))
	return s.place(ctx, owner, to, kept, Options{By: by, Base: Absent, Type: f.Type}, opCopy)
}

// merge adds the shared files whose paths are not taken.
func merge(own, shared []File) []File {
	taken := map[string]bool{}
	for _, f := range own {
		taken[f.Path] = true
	}
	for _, f := range shared {
		if !taken[f.Path] {
			own = append(own, f)
		}
	}
	slices.SortFunc(own, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return own
}
