package workspace

import (
	"context"
	"slices"
	"time"
)

// Sweep forgets what was deleted or moved away before a time: the trash, and the notes of what is gone.
// It returns how many paths that were.
func (s *Store) Sweep(ctx context.Context, owner string, before time.Time) (int, error) {
	space, err := space(owner)
	if err != nil {
		return 0, err
	}
	docs, err := s.ledger.List(ctx, space)
	if err != nil {
		return 0, err
	}
	swept := 0
	for batch := range slices.Chunk(docs, sweepBatch) {
		n := 0
		err := s.change(ctx, owner, func(c *change) error {
			n = 0
			for _, doc := range batch {
				gone, err := c.forget(ctx, doc.ID, before)
				if err != nil {
					return err
				}
				n += gone
			}
			return nil
		})
		if err != nil {
			return swept, err
		}
		swept += n
	}
	return swept, nil
}

// sweepBatch is how many paths one change looks at.
const sweepBatch = 64

// forget removes a history whose file is gone or in the trash since before a time.
func (c *change) forget(ctx context.Context, path string, before time.Time) (int, error) {
	if path == usageID {
		return 0, nil
	}
	h, err := c.at(ctx, path)
	if err != nil {
		return 0, err
	}
	v, live := h.current()
	if len(h.Versions) == 0 || !v.At.Before(before) || (live && !Under(path, Trash)) {
		return 0, nil
	}
	*h = history{}
	return 1, nil
}
