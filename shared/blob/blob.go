// Package blob keeps what is too large for the ledger: objects on S3, or files in a directory. Content is
// sealed before it leaves the process, and what comes back is what was put, or an error.
package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"regexp"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/vault"
)

// MaxSize bounds one object in bytes.
const MaxSize = 1 << 30

// Store is safe for concurrent use. One process has one.
type Store struct {
	vault *vault.Vault
	back  backend
}

// backend keeps sealed objects. put replaces a whole object, or leaves the old one where r fails. get
// returns NotFound for a missing object; delete of a missing one is no error.
type backend interface {
	put(ctx context.Context, key string, r io.Reader) error
	get(ctx context.Context, key string) (io.ReadCloser, error)
	delete(ctx context.Context, key string) error
	exists(ctx context.Context, key string) (bool, error)
	close() error
}

// Open returns the process's store: the bucket at S3_ENDPOINT if that is set, else the directory blobs in
// HEARTH_DATA. It makes either if it is missing.
func Open(ctx context.Context, env *fn.Env) (*Store, error) {
	v, err := env.Vault()
	if err != nil {
		return nil, err
	}
	return fn.Share(env, "blob", func() (*Store, error) {
		back, err := choose(ctx, env)
		if err != nil {
			return nil, err
		}
		return &Store{vault: v, back: back}, nil
	})
}

// Close gives the directory or the connections back.
func (s *Store) Close() error { return s.back.close() }

func choose(ctx context.Context, env *fn.Env) (backend, error) {
	if env.Setting("S3_ENDPOINT", "") != "" {
		return openBucket(ctx, env)
	}
	return openDirectory(env.Setting("HEARTH_DATA", "./.hearth"), env.Now())
}

// keyPattern is what every backend stores as it is.
var keyPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9._-]*)*$`)

// checkKey refuses keys that a backend could read as something else.
func checkKey(key string) error {
	if len(key) > 512 || !keyPattern.MatchString(key) {
		return fault.New(fault.Internal, "not the key of a blob: %.64q", key)
	}
	return nil
}

// Put keeps what r gives under key, replacing what is there. size is the exact number of bytes, or -1
// when it is unknown; the caller then bounds r. A reader that gives more or fewer is Invalid, and an
// object over MaxSize TooLarge; the old object stays then.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if size > MaxSize {
		return fault.New(fault.TooLarge, "%d bytes are over the limit of %d", size, MaxSize)
	}
	sealed := newSealer(s.box(key), r, size)
	return sealed.blame(s.back.put(ctx, key, sealed))
}

// Get returns the object under key, or NotFound. A Read gives Internal when the object is damaged, cut
// short, or another one's; what was read before is authentic, so a caller that needs all of it waits for
// io.EOF. The caller closes it.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	sealed, err := s.back.get(ctx, key)
	if err != nil {
		return nil, err
	}
	return newOpener(s.box(key), sealed), nil
}

// Delete removes the object under key. It is no error if there is none.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return s.back.delete(ctx, key)
}

// Exists reports whether there is an object under key.
func (s *Store) Exists(ctx context.Context, key string) (bool, error) {
	if err := checkKey(key); err != nil {
		return false, err
	}
	return s.back.exists(ctx, key)
}

// Add keeps content under a key that follows from it, and returns the key: the same content of the same
// space is stored once. The key tells nothing about the content to those who see only the store.
func (s *Store) Add(ctx context.Context, space string, content []byte) (string, error) {
	sum := sha256.Sum256(content)
	key := space + "/" + s.vault.Blind("blob", space, hex.EncodeToString(sum[:]))
	found, err := s.Exists(ctx, key)
	if err != nil || found {
		return key, err
	}
	return key, s.Put(ctx, key, bytes.NewReader(content), int64(len(content)))
}

func (s *Store) box(key string) *vault.Box { return s.vault.Box("blob/" + key) }
