package workspace

import (
	"slices"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// What made a version.
const (
	opWrite  = "write"
	opCopy   = "copy"
	opMove   = "move"
	opTrash  = "trash"
	opRevert = "revert"
	opLeft   = "left" // the file and its history went to another path
)

// Bounds of a history. Of older versions the content goes first, then the record.
const (
	keepContent = 16
	keepRecords = 64
)

// version is one state of a path. Numbers grow and are not used twice for a path.
type version struct {
	N      int64     `json:"n"`
	Op     string    `json:"op"`
	Gone   bool      `json:"gone,omitempty"`   // there is no file from here on
	Blob   string    `json:"blob,omitempty"`   // empty: gone, or the content is no longer kept
	Hash   string    `json:"hash,omitempty"`   // SHA-256 of the content, hex
	Size   int64     `json:"size,omitempty"`   // bytes
	Type   string    `json:"type,omitempty"`   // content type
	Labels []string  `json:"labels,omitempty"` // taint of the content
	At     time.Time `json:"at"`
	Run    string    `json:"run,omitempty"`
	Step   string    `json:"step,omitempty"`
	Key    string    `json:"key,omitempty"`    // idempotency key of what made it
	Was    string    `json:"was,omitempty"`    // move, trash: the path before
	To     string    `json:"to,omitempty"`     // left: the path since
	Undoes int64     `json:"undoes,omitempty"` // revert: the version taken back …
	As     int64     `json:"as,omitempty"`     // … and the one whose state this is
}

// history is what the index holds for one path. It is pure: the store decides when it changes. Each blob
// belongs to one history.
type history struct {
	Next     int64     `json:"next"`
	Versions []version `json:"versions"`         // oldest first; the last one is current
	Undone   []string  `json:"undone,omitempty"` // keys of what was taken back here and has no record any more
}

// current returns the newest version, and whether there is a file.
func (h *history) current() (version, bool) {
	if len(h.Versions) == 0 {
		return version{}, false
	}
	v := h.Versions[len(h.Versions)-1]
	return v, !v.Gone
}

// number returns the position of a version, or -1.
func (h *history) number(n int64) int {
	for i, v := range h.Versions {
		if v.N == n {
			return i
		}
	}
	return -1
}

// add appends a version as the newest and gives it its number.
func (h *history) add(v version) version {
	h.Next = max(h.Next, 1)
	v.N = h.Next
	h.Next++
	h.Versions = append(h.Versions, v)
	h.trim()
	return v
}

// trim forgets what is over the bounds, but never the content that the current version shares.
func (h *history) trim() {
	if extra := len(h.Versions) - keepRecords; extra > 0 {
		h.Versions = h.Versions[extra:]
	}
	current := h.Versions[len(h.Versions)-1].Blob
	for i := range len(h.Versions) - keepContent {
		if h.Versions[i].Blob != current {
			h.Versions[i].Blob = ""
		}
	}
}

// blobs returns the content that the history owns, with sizes.
func (h *history) blobs() map[string]int64 {
	owned := map[string]int64{}
	for _, v := range h.Versions {
		if v.Blob != "" {
			owned[v.Blob] = v.Size
		}
	}
	return owned
}

// made returns the version that an effect with this key made here and that still stands.
func (h *history) made(key string) (version, bool) {
	if key == "" {
		return version{}, false
	}
	i := h.find(Made{Key: key})
	if i < 0 || h.undone(h.Versions[i].N) {
		return version{}, false
	}
	return h.Versions[i], true
}

// find returns the position of the newest version that fits what was made, or -1.
func (h *history) find(m Made) int {
	for i, v := range slices.Backward(h.Versions) {
		if v.effect() && v.Key == m.Key && (m.Version == 0 || v.N == m.Version) {
			return i
		}
	}
	return -1
}

// effect reports whether the version was made for its own sake and can be taken back.
func (v version) effect() bool { return v.Op != opRevert && v.Op != opLeft }

// retire makes room for the history of another file that comes to this path. There is no file here, so
// whatever was made here is undone; only that is remembered.
func (h *history) retire() {
	for _, v := range h.Versions {
		if v.effect() {
			h.remember(v.Key)
		}
	}
	h.Versions = nil
}

// rememberUndone prepares for the records to leave with their file: what was taken back here stays known
// here.
func (h *history) rememberUndone() {
	for _, v := range h.Versions {
		if v.effect() && h.undone(v.N) {
			h.remember(v.Key)
		}
	}
}

// remember notes that an effect was taken back here.
func (h *history) remember(key string) {
	if key != "" {
		h.Undone = append(h.Undone, key)
		h.Undone = h.Undone[max(0, len(h.Undone)-keepRecords):]
	}
}

// undone reports whether version n was taken back.
func (h *history) undone(n int64) bool {
	for _, v := range h.Versions {
		if v.Op == opRevert && v.Undoes == n {
			return true
		}
	}
	return false
}

// effective returns the position of the version whose state the newest one has: a revert has that of an
// older one. It is -1 where there is no file.
func (h *history) effective() int {
	v, live := h.current()
	if !live {
		return -1
	}
	if v.Op == opRevert {
		return h.number(v.As)
	}
	return len(h.Versions) - 1
}

// before returns the state before version i as a version that takes i back. The error is Conflict when
// its content is no longer kept.
func (h *history) before(i int, by By, now time.Time) (version, error) {
	back := version{Op: opRevert, Undoes: h.Versions[i].N, At: now, Run: by.Run, Step: by.Step, Key: by.Key}
	if i == 0 || h.Versions[i-1].Gone {
		back.Gone = true
		return back, nil
	}
	state := h.Versions[i-1]
	if state.Blob == "" {
		return version{}, fault.New(fault.Conflict, "version %d, which was there before, is no longer kept", state.N)
	}
	back.As = state.N
	if state.Op == opRevert {
		back.As = state.As
	}
	back.Blob, back.Hash, back.Size, back.Type, back.Labels = state.Blob, state.Hash, state.Size, state.Type, state.Labels
	return back, nil
}

// file returns a version as the outside sees it.
func (v version) file(path string) File {
	return File{
		Path: path, Version: v.N, Hash: v.Hash, Size: v.Size, Type: v.Type, Labels: v.Labels,
		At: v.At, Run: v.Run, Step: v.Step,
	}
}
