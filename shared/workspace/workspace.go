// Package workspace keeps the files of a person or a task: an index in the ledger says which versions of
// which path there are, and the blob store has their content. Nothing is overwritten: a change makes a
// version, a deletion moves to the trash, and an undo brings the previous version back, unless somebody
// changed the file since.
package workspace

import (
	"context"
	"time"

	"github.com/hearthfaas/hearth/shared/blob"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// TemplatesOwner owns the shared workspace that Templates falls back to.
const TemplatesOwner = "templates"

// Latest is the version that Read takes for the current one.
const Latest = 0

// The special values of Options.Base.
const (
	Absent int64 = 0  // there is no file yet
	Any    int64 = -1 // whatever is there
)

// KeepTrash is how long deleted files stay at least.
const KeepTrash = 30 * 24 * time.Hour

// Limits bound what a workspace holds. All kept versions and the trash count.
type Limits struct {
	File  int64 // bytes of one file
	Bytes int64 // of all versions together
	Files int64 // paths
}

// DefaultLimits fit an office: the list of a full workspace is still one answer.
var DefaultLimits = Limits{File: 64 << 20, Bytes: 8 << 30, Files: 10_000}

// Store is safe for concurrent use, also by several processes.
type Store struct {
	ledger *ledger.Ledger
	blobs  *blob.Store
	now    func() time.Time
	limits Limits
}

// File is a version of a file.
type File struct {
	Path    string    `json:"path"`
	Version int64     `json:"version"`
	Hash    string    `json:"hash"` // SHA-256, hex
	Size    int64     `json:"size"`
	Type    string    `json:"type,omitempty"`
	Labels  []string  `json:"labels,omitempty"` // taint of the content, such as external
	At      time.Time `json:"at"`
	Run     string    `json:"run,omitempty"`
	Step    string    `json:"step,omitempty"`
}

// By says what makes a change. An effect with a Key is applied once, however often it is asked for; once
// it is taken back, the same Key may apply it anew.
type By struct {
	Run    string
	Step   string
	Key    string
	Labels []string // put on the versions it makes
}

// Made names what an effect made. Without a version nobody knows whether it made one.
type Made struct {
	Version int64
	Key     string
}

// Open returns a store on the process's ledger and blobs.
func Open(ctx context.Context, env *fn.Env) (*Store, error) {
	l, err := ledger.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	b, err := blob.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	return New(l, b, env.Now, DefaultLimits), nil
}

// New returns a store on a ledger and blobs that the caller closes.
func New(l *ledger.Ledger, b *blob.Store, now func() time.Time, limits Limits) *Store {
	return &Store{ledger: l, blobs: b, now: now, limits: limits}
}

func space(owner string) (string, error) {
	if owner == "" || len(owner) > 256 {
		return "", fault.New(fault.Invalid, "a workspace needs an owner")
	}
	return "files/" + owner, nil
}
