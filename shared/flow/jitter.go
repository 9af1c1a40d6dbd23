package flow

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Of returns the schedule as that of a task. Without it, no slot is delayed.
func (s *Schedule) Of(task string) *Schedule {
	own := *s
	own.task = task
	return &own
}

// At returns when a slot fires: at once, or up to the trigger's jitter later. The delay follows from the task
// and the slot alone, so that all replicas agree on it and a restart does not change it. It ends before the
// next slot: slots fire in their order.
func (s *Schedule) At(slot time.Time) time.Time {
	if s.jitter == 0 || s.task == "" || slot.IsZero() {
		return slot
	}
	room := s.jitter
	if next := s.Next(slot); !next.IsZero() {
		room = min(room, next.Sub(slot))
	}
	sum := sha256.Sum256([]byte(s.task + "@" + slot.UTC().Format(time.RFC3339Nano)))
	parts := max(1, uint64(room/time.Millisecond)) // the ledger keeps times to the millisecond
	return slot.Add(time.Duration(binary.BigEndian.Uint64(sum[:8])%parts) * time.Millisecond)
}

// Deadline returns when the run of a slot has to have ended well, or the zero time when nobody waits for it.
func (s *Schedule) Deadline(slot time.Time) time.Time {
	if s.expect == 0 || slot.IsZero() {
		return time.Time{}
	}
	return slot.Add(s.expect)
}
