package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// unfinished is the folder of files being written; what a crash left there is removed after staleAfter.
const (
	unfinished = ".unfinished"
	staleAfter = 24 * time.Hour
)

// directory keeps objects as files. Everything goes through an os.Root, so that no link in it leads out.
type directory struct{ root *os.Root }

// openDirectory makes the folder blobs in data.
func openDirectory(data string, now time.Time) (*directory, error) {
	name := filepath.Join(data, "blobs")
	if err := os.MkdirAll(filepath.Join(name, unfinished), 0o700); err != nil {
		return nil, fault.As(fault.Unavailable, err, "the folder for files cannot be made").At("HEARTH_DATA").Try("set HEARTH_DATA to a folder that can be written")
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "the folder for files cannot be opened").At("HEARTH_DATA")
	}
	d := &directory{root: root}
	return d, d.sweep(now)
}

func (d *directory) close() error { return d.root.Close() }

// sweep removes what earlier processes did not finish.
func (d *directory) sweep(now time.Time) error {
	entries, err := fs.ReadDir(d.root.FS(), unfinished)
	if err != nil {
		return disk(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < staleAfter {
			continue // gone meanwhile, or still being written
		}
		if err := d.root.Remove(path.Join(unfinished, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return disk(err)
		}
	}
	return nil
}

// put writes beside the object and renames: after a crash there is the old object or the new one.
func (d *directory) put(ctx context.Context, key string, r io.Reader) error {
	temporary := path.Join(unfinished, fn.NewID())
	if err := d.write(ctx, temporary, r); err != nil {
		return errors.Join(disk(err), d.discard(temporary))
	}
	if err := d.folders(path.Dir(key)); err != nil {
		return errors.Join(disk(err), d.discard(temporary))
	}
	if err := d.root.Rename(temporary, key); err != nil {
		return errors.Join(disk(err), d.discard(temporary))
	}
	return disk(d.sync(path.Dir(key)))
}

func (d *directory) write(ctx context.Context, name string, r io.Reader) error {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, ctx.Err(), f.Sync(), f.Close())
}

func (d *directory) discard(name string) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// folders makes name and what leads to it, durably.
func (d *directory) folders(name string) error {
	if name == "." {
		return nil
	}
	if _, err := d.root.Stat(name); err == nil {
		return nil
	}
	parent := path.Dir(name)
	if err := d.folders(parent); err != nil {
		return err
	}
	if err := d.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync(parent)
}

// sync makes the entries of a folder durable.
func (d *directory) sync(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *directory) get(_ context.Context, key string) (io.ReadCloser, error) {
	f, err := d.root.Open(key)
	if err != nil {
		return nil, disk(err)
	}
	return f, nil
}

func (d *directory) delete(_ context.Context, key string) error {
	return disk(d.discard(key))
}

func (d *directory) exists(_ context.Context, key string) (bool, error) {
	_, err := d.root.Stat(key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, disk(err)
}

// disk gives an error of the file system its kind; others keep theirs.
func disk(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fault.As(fault.NotFound, err, "there is no such object")
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.As(fault.Timeout, err, "the disk was too slow")
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.As(fault.Unavailable, err, "the disk is full").At("HEARTH_DATA").Try("make space there, then try again")
	}
	return fault.As(fault.Unavailable, err, "the disk refuses").Try("hearth doctor")
}
