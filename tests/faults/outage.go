package faults

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// outages writes down when the store takes no writes, until ctx ends: nobody can be answered then.
func (c *Cluster) outages(ctx context.Context) error {
	const every, patience = 100 * time.Millisecond, 300 * time.Millisecond
	log, err := record.Open(filepath.Join(c.Dir, record.OutageFile))
	if err != nil {
		return err
	}
	var since time.Time
	for sleep(ctx, every) == nil && err == nil {
		now := time.Now()
		try, cancel := context.WithTimeout(ctx, patience)
		failed := c.Redis.Client().Unlink(try, "h:none").Err() // a write like any, of nothing
		cancel()
		switch {
		case ctx.Err() != nil:
		case failed != nil && since.IsZero():
			since = now
		case failed == nil && !since.IsZero():
			err = log.Append(record.Outage{From: since, To: now})
			since = time.Time{}
		}
	}
	return errors.Join(err, log.Close())
}
