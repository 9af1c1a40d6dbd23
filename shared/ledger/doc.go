package ledger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// Doc is a small versioned record: a task, an identity, a file's entry. Rev grows with each change and is
// never used twice, not even after a deletion.
type Doc struct {
	ID   string
	Rev  int64
	Body []byte
	TTL  time.Duration // for Put and Change: 0 keeps it for good
}

// The special revisions of an expected Doc.Rev.
const (
	Absent int64 = 0  // it must not be there yet
	Any    int64 = -1 // whatever is there
)

// Get returns a doc of a space, or NotFound.
func (l *Ledger) Get(ctx context.Context, space, id string) (Doc, error) {
	raw, err := l.rdb.Get(ctx, l.docKey(space, id)).Result()
	if errors.Is(err, redis.Nil) {
		return Doc{}, fault.New(fault.NotFound, "no %s in %s", id, space)
	}
	if err != nil {
		return Doc{}, kinded(err)
	}
	return l.openDoc(space, raw)
}

// Put writes a doc whose Rev is the revision expected there, and returns it with its new one.
func (l *Ledger) Put(ctx context.Context, space string, doc Doc, ttl time.Duration) (Doc, error) {
	doc.TTL = ttl
	docs, err := l.Change(ctx, space, []Doc{doc}, nil)
	if err != nil {
		return Doc{}, err
	}
	return docs[0], nil
}

// Delete removes a doc that has the revision rev.
func (l *Ledger) Delete(ctx context.Context, space, id string, rev int64) error {
	_, err := l.Change(ctx, space, nil, []Doc{{ID: id, Rev: rev}})
	return err
}

// Change writes some docs of a space and removes others, all or none. Each Rev is the revision expected;
// Conflict names the first doc that has another one, NotFound one that is not there to be removed. It
// returns the written docs with their new revisions.
func (l *Ledger) Change(ctx context.Context, space string, put, drop []Doc) ([]Doc, error) {
	keys, args := []string{l.indexKey(space)}, []any(nil)
	nonce := fn.NewID()[:12]
	for _, d := range put {
		if len(d.Body) > MaxValue {
			return nil, fault.New(fault.TooLarge, "%s is over %d bytes", d.ID, MaxValue)
		}
		keys = append(keys, l.docKey(space, d.ID))
		sealed := l.vault.Box("doc/"+space).Seal("", packDoc(d.ID, d.Body))
		args = append(args, l.docID(space, d.ID), d.Rev, nonce, d.TTL.Milliseconds(), sealed)
	}
	for _, d := range drop {
		keys = append(keys, l.docKey(space, d.ID))
		args = append(args, l.docID(space, d.ID), d.Rev, nonce, 0, "")
	}
	got, err := ints(l.run(ctx, l.scripts.change, true, keys, args...))
	if err != nil {
		return nil, err
	}
	if got[0] < 0 {
		doc := slices.Concat(put, drop)[got[1]-1]
		if got[0] == -2 {
			return nil, fault.New(fault.NotFound, "no %s in %s", doc.ID, space)
		}
		return nil, fault.New(fault.Conflict, "%s was changed meanwhile", doc.ID)
	}
	written := slices.Clone(put)
	for i := range written {
		written[i].Rev = got[i+1]
	}
	return written, nil
}

// List returns all docs of a space, by id.
func (l *Ledger) List(ctx context.Context, space string) ([]Doc, error) {
	ids, err := l.rdb.ZRange(ctx, l.indexKey(space), 0, -1).Result()
	if err != nil || len(ids) == 0 {
		return nil, kinded(err)
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = tag(spacePartition(space)) + "doc:" + id
	}
	values, err := l.rdb.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, kinded(err)
	}
	var docs []Doc
	for _, value := range values {
		raw, ok := value.(string)
		if !ok {
			continue // expired
		}
		doc, err := l.openDoc(space, raw)
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	slices.SortFunc(docs, func(a, b Doc) int { return cmp.Compare(a.ID, b.ID) })
	return docs, nil
}

func (l *Ledger) docID(space, id string) string { return l.vault.Blind("doc", space, id) }

func (l *Ledger) docKey(space, id string) string {
	return tag(spacePartition(space)) + "doc:" + l.docID(space, id)
}

func (l *Ledger) indexKey(space string) string {
	return tag(spacePartition(space)) + "docs:" + l.vault.Blind("space", space)
}

func (l *Ledger) openDoc(space, raw string) (Doc, error) {
	rev, rest, _ := strings.Cut(raw, "|")
	_, sealed, _ := strings.Cut(rest, "|")
	n, err := strconv.ParseInt(rev, 10, 64)
	if err != nil {
		return Doc{}, fault.As(fault.Internal, err, "a document of %s is damaged", space)
	}
	packed, err := l.vault.Box("doc/"+space).Open("", []byte(sealed))
	if err != nil {
		return Doc{}, err
	}
	id, body, err := unpackDoc(packed)
	return Doc{ID: id, Rev: n, Body: body}, err
}

// packDoc seals the id with the body, because the key tells nothing of it.
func packDoc(id string, body []byte) []byte {
	packed := binary.AppendUvarint(nil, uint64(len(id)))
	return append(append(packed, id...), body...)
}

func unpackDoc(packed []byte) (string, []byte, error) {
	n, used := binary.Uvarint(packed)
	if used <= 0 || uint64(len(packed)-used) < n {
		return "", nil, fault.New(fault.Internal, "a document is damaged")
	}
	rest := packed[used:]
	return string(rest[:n]), bytes.Clone(rest[n:]), nil
}

// Lease takes or extends a named lease for owner, such as the one poller of a bot. The epoch grows with
// each change of hands. held is false while another owner has it.
func (l *Ledger) Lease(ctx context.Context, name, owner string, ttl time.Duration) (epoch int64, held bool, err error) {
	raw, err := l.run(ctx, l.scripts.lease, false, []string{"h:lease:" + name}, owner, ttl.Milliseconds())
	if err != nil {
		return 0, false, err
	}
	epoch, err = strconv.ParseInt(text(raw), 10, 64)
	if err != nil {
		return 0, false, fault.As(fault.Internal, err, "the epoch of the lease %s", name)
	}
	return epoch, epoch > 0, nil
}

// Unlease gives a lease back before its time. It is no error if it was lost already.
func (l *Ledger) Unlease(ctx context.Context, name, owner string) error {
	_, err := l.run(ctx, l.scripts.unlease, false, []string{"h:lease:" + name}, owner)
	return err
}
