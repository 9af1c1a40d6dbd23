// Package alert calls people when the assistant cannot go on by itself. Whoever finds a reason raises an alert
// under a key; a Teller brings it, once, to the places and the web hook that people chose.
package alert

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// Kind says what an alert is about. It is a label of a metric: there are few.
type Kind string

// The kinds.
const (
	Missed     Kind = "missed"      // the run of a slot has not ended well by the time it was expected
	Failed     Kind = "failed"      // a run that nobody watches failed
	NeedsHuman Kind = "needs_human" // a run stopped, and only a person can tell what is right
	DeadLetter Kind = "dead_letter" // a message could not be answered, an answer not be delivered, or a run not be read
	Budget     Kind = "budget"      // a limit of what may be spent is reached
	Store      Kind = "store"       // the store is not as it has to be, or was away
)

// Where alerts are kept.
const (
	space    = "alerts"      // those that were told, by id
	newSpace = "alerts/new"  // those that are still to be told or posted
	hours    = "alerts/hour" // how many there were of a kind in an hour
	keepFor  = ledger.KeepIdle
	keepHour = 24 * time.Hour
)

// Alert is one reason to call people.
type Alert struct {
	ID       string          `json:"id"` // follows from Key; Raise sets it
	Key      string          `json:"key"`
	Kind     Kind            `json:"kind"`
	Title    manifest.Phrase `json:"title"`
	Text     manifest.Phrase `json:"text"`
	User     string          `json:"user,omitempty"` // whom it concerns; "" for operators only
	Run      string          `json:"run,omitempty"`
	Task     string          `json:"task,omitempty"`
	At       time.Time       `json:"at"`
	Count    int             `json:"count,omitempty"` // how many it stands for, when they were too many to be told one by one
	Resolved bool            `json:"resolved"`
	By       string          `json:"by,omitempty"` // who resolved it
}

// pending is an alert on its way.
type pending struct {
	Alert    Alert     `json:"alert"`
	Told     bool      `json:"told,omitempty"`     // it is on record and in the places; only the web hook is missing
	Attempts int       `json:"attempts,omitempty"` // to post it
	Next     time.Time `json:"next,omitzero"`      // not before
}

// idOf names the alert of a key, in letters that people can type.
func idOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "a" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}

// Raise writes an alert down, to be told soon. It is durable when Raise returns, and raising a key again changes
// nothing for as long as the alert is kept.
func Raise(ctx context.Context, l *ledger.Ledger, a Alert) error {
	if a.Key == "" {
		return fault.New(fault.Internal, "an alert has a key")
	}
	a.ID = idOf(a.Key)
	_, err := l.Get(ctx, space, a.ID)
	if err == nil || !fault.Is(err, fault.NotFound) {
		return err
	}
	_, err = put(ctx, l, newSpace, ledger.Doc{ID: a.ID, Rev: ledger.Absent}, pending{Alert: a}, keepFor)
	if fault.Is(err, fault.Conflict) {
		return nil // it waits to be told already
	}
	return err
}

// put writes v as the body of a doc that has the doc's revision; 0 keeps it for good.
func put(ctx context.Context, l *ledger.Ledger, space string, doc ledger.Doc, v any, ttl time.Duration) (ledger.Doc, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return doc, fault.As(fault.Internal, err, "encode %s of %s", doc.ID, space)
	}
	doc.Body = body
	return l.Put(ctx, space, doc, ttl)
}

// read decodes the body of a doc.
func read[T any](doc ledger.Doc) (T, error) {
	var v T
	if err := json.Unmarshal(doc.Body, &v); err != nil {
		return v, fault.As(fault.Internal, err, "the record %s of an alert cannot be read", doc.ID)
	}
	return v, nil
}

// List returns the alerts of the last month, newest first.
func List(ctx context.Context, l *ledger.Ledger) ([]Alert, error) {
	docs, err := l.List(ctx, space)
	if err != nil {
		return nil, err
	}
	list := make([]Alert, len(docs))
	for i, doc := range docs {
		if list[i], err = read[Alert](doc); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(list, func(a, b Alert) int { return b.At.Compare(a.At) })
	return list, nil
}

// Find returns an alert, or NotFound.
func Find(ctx context.Context, l *ledger.Ledger, id string) (Alert, error) {
	doc, err := l.Get(ctx, space, id)
	if fault.Is(err, fault.NotFound) {
		return Alert{}, fault.New(fault.NotFound, "no alert %.40q", id).Try("hearth alerts list")
	}
	if err != nil {
		return Alert{}, err
	}
	return read[Alert](doc)
}

// Resolve marks an alert as dealt with. The first one who says so stays on it.
func Resolve(ctx context.Context, l *ledger.Ledger, id, by string) (Alert, error) {
	return change(ctx, l, id, func(a *Alert) {
		if !a.Resolved {
			a.Resolved, a.By = true, by
		}
	})
}

// changeTries bounds how often a change meets another one.
const changeTries = 8

// change changes an alert that is on record.
func change(ctx context.Context, l *ledger.Ledger, id string, with func(*Alert)) (Alert, error) {
	for range changeTries {
		doc, err := l.Get(ctx, space, id)
		if fault.Is(err, fault.NotFound) {
			return Alert{}, fault.New(fault.NotFound, "no alert %.40q", id).Try("hearth alerts list")
		}
		if err != nil {
			return Alert{}, err
		}
		a, err := read[Alert](doc)
		if err != nil {
			return Alert{}, err
		}
		with(&a)
		_, err = put(ctx, l, space, doc, a, keepFor)
		if !fault.Is(err, fault.Conflict) {
			return a, err
		}
	}
	return Alert{}, fault.New(fault.Unavailable, "the alert %s changes all the time; try again", id).In(time.Second)
}
