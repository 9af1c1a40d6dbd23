package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Options of a Write.
type Options struct {
	By
	Base int64  // the version it replaces, Absent or Any
	Type string // content type; by the extension when empty
}

// Write makes what r gives the newest version of a path. size is the exact number of bytes, or -1. A
// repeated Key returns the version it made before and reads nothing. Conflict: Base is not the current
// version.
func (s *Store) Write(ctx context.Context, owner, path string, r io.Reader, size int64, o Options) (File, error) {
	path, err := writable(path)
	if err != nil {
		return File{}, err
	}
	earlier, done, err := s.Made(ctx, owner, path, o.Key)
	if err != nil || done {
		return earlier, err
	}
	kept, err := s.keep(ctx, r, size)
	if err != nil {
		return File{}, err
	}
	if o.Type == "" {
		o.Type = TypeOf(path)
	}
	return s.place(ctx, owner, path, kept, o, opWrite)
}

// Made returns the version that an effect with this key made at path, if it made one that still stands.
func (s *Store) Made(ctx context.Context, owner, path, key string) (File, bool, error) {
	path, err := Clean(path)
	if err != nil || key == "" {
		return File{}, false, err
	}
	space, err := space(owner)
	if err != nil {
		return File{}, false, err
	}
	h, _, err := s.load(ctx, space, path)
	if err != nil {
		return File{}, false, err
	}
	v, done := h.made(key)
	return v.file(path), done, nil
}

// place makes kept content the newest version of a path, or drops it.
func (s *Store) place(ctx context.Context, owner, path string, kept content, o Options, op string) (File, error) {
	made, used, err := s.add(ctx, owner, path, kept, o, op)
	if errors.Is(err, errFull) {
		swept, sweeping := s.Sweep(ctx, owner, s.now().Add(-KeepTrash))
		if err = errors.Join(err, sweeping); swept > 0 {
			made, used, err = s.add(ctx, owner, path, kept, o, op)
		}
	}
	if err != nil || !used {
		return made, s.drop(ctx, kept, err)
	}
	return made, nil
}

func (s *Store) add(ctx context.Context, owner, path string, kept content, o Options, op string) (made File, used bool, err error) {
	err = s.change(ctx, owner, func(c *change) error {
		h, err := c.at(ctx, path)
		if err != nil {
			return err
		}
		if v, done := h.made(o.Key); done {
			made, used = v.file(path), false
			return nil
		}
		if err := h.expect(path, o.Base); err != nil {
			return err
		}
		c.adds = true
		made, used = h.add(version{
			Op: op, Blob: kept.blob, Hash: kept.hash, Size: kept.size, Type: o.Type, Labels: o.Labels,
			At: s.now(), Run: o.Run, Step: o.Step, Key: o.Key,
		}).file(path), true
		return nil
	})
	return made, used, err
}

// expect returns a Conflict unless base is the current version.
func (h *history) expect(path string, base int64) error {
	v, live := h.current()
	switch {
	case base == Any || (base == Absent && !live):
		return nil
	case base == Absent:
		return fault.New(fault.Conflict, "there is already a file %s", path)
	case !live:
		return fault.New(fault.Conflict, "%s is gone", path)
	case v.N != base:
		return fault.New(fault.Conflict, "%s is at %s, not at version %d", path, v.describe(), base)
	}
	return nil
}

// Read returns a version of a file (Latest for the current one) and its content, which the caller closes.
// A path under Templates that the owner has not is the shared one.
func (s *Store) Read(ctx context.Context, owner, path string, number int64) (File, io.ReadCloser, error) {
	f, v, err := s.resolve(ctx, owner, path, number)
	if err != nil {
		return File{}, nil, err
	}
	if v.Blob == "" {
		return File{}, nil, fault.New(fault.NotFound, "version %d of %s is no longer kept", number, f.Path)
	}
	r, err := s.blobs.Get(ctx, v.Blob)
	if fault.Is(err, fault.NotFound) {
		return File{}, nil, fault.As(fault.Internal, err, "the content of %s is lost", f.Path)
	}
	return f, r, err
}

// Stat is Read without the content.
func (s *Store) Stat(ctx context.Context, owner, path string, number int64) (File, error) {
	f, _, err := s.resolve(ctx, owner, path, number)
	return f, err
}

func (s *Store) resolve(ctx context.Context, owner, path string, number int64) (File, version, error) {
	path, err := Clean(path)
	if err != nil {
		return File{}, version{}, err
	}
	space, err := space(owner)
	if err != nil {
		return File{}, version{}, err
	}
	h, _, err := s.load(ctx, space, path)
	if err != nil {
		return File{}, version{}, err
	}
	v, found := h.pick(number)
	if !found && owner != TemplatesOwner && Under(path, Templates) {
		return s.resolve(ctx, TemplatesOwner, path, number)
	}
	if !found {
		return File{}, version{}, h.missing(path, number)
	}
	return v.file(path), v, nil
}

// pick returns a version that has content.
func (h *history) pick(number int64) (version, bool) {
	if number == Latest {
		return h.current()
	}
	i := h.number(number)
	if i < 0 || h.Versions[i].Gone {
		return version{}, false
	}
	return h.Versions[i], true
}

// missing says why there is no such file, as well as the history knows it.
func (h *history) missing(path string, number int64) error {
	if number != Latest {
		return fault.New(fault.NotFound, "there is no version %d of %s", number, path)
	}
	if v, _ := h.current(); v.To != "" {
		return fault.New(fault.NotFound, "there is no file %s; it went to %s", path, v.To)
	}
	return fault.New(fault.NotFound, "there is no file %s", path)
}

// List returns the current versions of the files under a folder, by path: with the shared templates, and
// without the trash unless the folder is in it.
func (s *Store) List(ctx context.Context, owner, folder string) ([]File, error) {
	folder, err := Folder(folder)
	if err != nil {
		return nil, err
	}
	found, err := s.list(ctx, owner, folder)
	if err != nil {
		return nil, err
	}
	if owner != TemplatesOwner && (folder == "/" || Under(folder, Templates)) {
		shared, err := s.list(ctx, TemplatesOwner, folder)
		if err != nil {
			return nil, err
		}
		found = merge(found, shared)
	}
	return found, nil
}

func (s *Store) list(ctx context.Context, owner, folder string) ([]File, error) {
	space, err := space(owner)
	if err != nil {
		return nil, err
	}
	docs, err := s.ledger.List(ctx, space)
	if err != nil {
		return nil, err
	}
	var found []File
	for _, doc := range docs {
		if doc.ID == usageID || !Under(doc.ID, folder) || (Under(doc.ID, Trash) && !Under(folder, Trash)) {
			continue
		}
		var h history
		if err := json.Unmarshal(doc.Body, &h); err != nil {
			return nil, fault.As(fault.Internal, err, "the index of %s is damaged", doc.ID)
		}
		if v, live := h.current(); live {
			found = append(found, v.file(doc.ID))
		}
	}
	return found, nil
}
