package workspace

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// maxTries bounds how often a change starts over because another one came first. Each time somebody has
// made progress.
const maxTries = 100

// maxGarbage bounds how many blobs one change removes, so that none takes long.
const maxGarbage = 32

// usageID is the document with a workspace's sums. Paths begin with a slash, so none has this name.
const usageID = "usage"

// usage is what a workspace holds. It changes together with the histories, so it is always exact.
type usage struct {
	Bytes   int64    `json:"bytes"`
	Files   int64    `json:"files"`
	Garbage []string `json:"garbage,omitempty"` // blobs that no version names since the last change
}

// change is one atomic change of some histories of a workspace.
type change struct {
	store   *Store
	space   string
	loaded  map[string]*loaded
	usage   usage
	usageAt int64
	adds    bool // content; everything else is possible in a full workspace too
}

// loaded is a history as it was and as it becomes.
type loaded struct {
	rev    int64
	was    map[string]int64 // its blobs
	exists bool
	next   int64 // its Next, which every alteration changes
	now    history
}

func (l *loaded) altered() bool { return l.now.Next != l.next }

// change lets edit alter histories, and writes what it altered, all or nothing. edit runs again when
// another change came first, so it must have no other effect.
func (s *Store) change(ctx context.Context, owner string, edit func(c *change) error) error {
	space, err := space(owner)
	if err != nil {
		return err
	}
	for range maxTries {
		c := &change{store: s, space: space, loaded: map[string]*loaded{}}
		if err := c.begin(ctx); err != nil {
			return err
		}
		if err := edit(c); err != nil {
			return err
		}
		err := c.commit(ctx)
		if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return fault.New(fault.Unavailable, "too many changes of the workspace at once")
}

// begin reads the sums, and removes the content that the last change left without a name. Removing it
// twice is no error, and not before the next change lets readers of an old version finish.
func (c *change) begin(ctx context.Context) error {
	doc, err := c.store.ledger.Get(ctx, c.space, usageID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(doc.Body, &c.usage); err != nil {
		return fault.As(fault.Internal, err, "the sums of %s are damaged", c.space)
	}
	c.usageAt = doc.Rev
	some := min(len(c.usage.Garbage), maxGarbage)
	stays := slices.DeleteFunc(slices.Clone(c.usage.Garbage[:some]), func(key string) bool {
		return c.store.blobs.Delete(ctx, key) == nil // what stays is tried again next time
	})
	c.usage.Garbage = append(stays, c.usage.Garbage[some:]...)
	return nil
}

// at returns the history of a path, to look at and to alter.
func (c *change) at(ctx context.Context, path string) (*history, error) {
	if l := c.loaded[path]; l != nil {
		return &l.now, nil
	}
	h, rev, err := c.store.load(ctx, c.space, path)
	if err != nil {
		return nil, err
	}
	l := &loaded{rev: rev, was: h.blobs(), exists: rev != ledger.Absent, next: h.Next, now: h}
	c.loaded[path] = l
	return &l.now, nil
}

// load reads the history of a path; one that was never there is empty, with the revision Absent.
func (s *Store) load(ctx context.Context, space, path string) (history, int64, error) {
	doc, err := s.ledger.Get(ctx, space, path)
	if fault.Is(err, fault.NotFound) {
		return history{}, ledger.Absent, nil
	}
	if err != nil {
		return history{}, 0, err
	}
	var h history
	if err := json.Unmarshal(doc.Body, &h); err != nil {
		return history{}, 0, fault.As(fault.Internal, err, "the index of %s is damaged", path)
	}
	return h, doc.Rev, nil
}

// commit writes the histories that were altered, and the sums. Conflict: somebody else was first.
func (c *change) commit(ctx context.Context) error {
	maps.DeleteFunc(c.loaded, func(_ string, l *loaded) bool { return !l.altered() })
	if len(c.loaded) == 0 {
		return nil
	}
	if err := c.account(); err != nil {
		return err
	}
	var put, drop []ledger.Doc
	for _, path := range slices.Sorted(maps.Keys(c.loaded)) {
		l := c.loaded[path]
		if len(l.now.Versions) == 0 {
			drop = append(drop, ledger.Doc{ID: path, Rev: l.rev})
			continue
		}
		body, err := json.Marshal(l.now)
		if err != nil {
			return fault.As(fault.Internal, err, "encode the index of %s", path)
		}
		put = append(put, ledger.Doc{ID: path, Rev: l.rev, Body: body})
	}
	body, err := json.Marshal(c.usage)
	if err != nil {
		return fault.As(fault.Internal, err, "encode the sums of %s", c.space)
	}
	put = append(put, ledger.Doc{ID: usageID, Rev: c.usageAt, Body: body})
	_, err = c.store.ledger.Change(ctx, c.space, put, drop)
	return err
}

// account brings the sums up to date, and refuses what makes the workspace too large. Blobs that no
// altered history names any more become garbage; each belonged to one of these histories only.
func (c *change) account() error {
	was, now := map[string]int64{}, map[string]int64{}
	for _, l := range c.loaded {
		maps.Copy(was, l.was)
		maps.Copy(now, l.now.blobs())
		switch exists := len(l.now.Versions) > 0; {
		case exists && !l.exists:
			c.usage.Files++
		case !exists && l.exists:
			c.usage.Files--
		}
	}
	for _, size := range now {
		c.usage.Bytes += size
	}
	for _, key := range slices.Sorted(maps.Keys(was)) {
		c.usage.Bytes -= was[key]
		if _, kept := now[key]; !kept {
			c.usage.Garbage = append(c.usage.Garbage, key)
		}
	}
	limits := c.store.limits
	if c.adds && (c.usage.Bytes > limits.Bytes || c.usage.Files > limits.Files) {
		return errFull
	}
	return nil
}

// errFull is compared by identity: room can be made once.
var errFull = fault.New(fault.TooLarge, "the workspace is full; old versions and the trash count too").
	Try("delete what is no longer needed and empty the trash")
