package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// content is stored content that no history names yet.
type content struct {
	blob string
	hash string
	size int64
}

// keep stores what r gives under a new name: no two versions share one, so that one's end is not
// another's. Size is -1 when it is unknown.
func (s *Store) keep(ctx context.Context, r io.Reader, size int64) (content, error) {
	if size > s.limits.File {
		return content{}, s.tooLarge()
	}
	id := fn.NewID()
	c := content{blob: "files/" + id[:2] + "/" + id}
	meter := &meter{r: r, sum: sha256.New(), room: s.limits.File}
	err := s.blobs.Put(ctx, c.blob, meter, size)
	if meter.over {
		return content{}, s.tooLarge()
	}
	if err != nil {
		return content{}, fault.Wrap(err, "store the content")
	}
	c.hash, c.size = hex.EncodeToString(meter.sum.Sum(nil)), meter.n
	return c, nil
}

// drop removes content that got no name. Where it is not certain that it has none, it stays.
func (s *Store) drop(ctx context.Context, c content, err error) error {
	if err != nil && (fault.InDoubt(err) || fault.Is(err, fault.Unavailable)) {
		return err
	}
	return errors.Join(err, s.blobs.Delete(context.WithoutCancel(ctx), c.blob))
}

func (s *Store) tooLarge() error {
	return fault.New(fault.TooLarge, "a file may have %d bytes at most", s.limits.File)
}

// meter counts and hashes what passes, up to a bound.
type meter struct {
	r    io.Reader
	sum  hash.Hash
	n    int64
	room int64
	over bool
}

// Read passes what r gives.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.n > m.room {
		m.over = true
		return 0, fault.New(fault.TooLarge, "over %d bytes", m.room)
	}
	m.sum.Write(p[:n])
	return n, err
}
