package ledger

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// Claim is the exclusive right to work on a lane until its lease ends. Owner and Epoch fence every write.
type Claim struct {
	Lane  Lane   `json:"lane"`
	Owner string `json:"owner"`
	Epoch int64  `json:"epoch"`
}

// Work is what a claim found: an outbox head to deliver, or else the inbox head of a session, or a run.
type Work struct {
	Claim
	Attempt int       // claims without progress, this one included
	Outbox  *Outgoing // deliver this first
	Inbox   *Incoming // sessions
	Header  []byte    // runs
	Stopped bool      // somebody said stop: to this run, or to this message
	Journal []Entry   // in the order written
	Turns   [][]byte  // sessions: the conversation so far, oldest first

	brakes map[string]string // as they were when it was claimed
	stops  int64             // said before it was claimed, as far as this process heard
}

// Entry is one line of a journal. It is written once and never changed.
type Entry struct {
	Key  string
	Body []byte
}

// NewOwner names a holder. Every claim attempt needs a new one: a repeat with the same owner returns the
// same claim.
func NewOwner() string { return fn.NewID()[:16] }

// Claim takes a lane that is due and returns its work, or nil when nothing is to be done or another
// holder is at it. A message that was claimed too often without progress is put aside as dead, and an
// apology takes its place in the outbox; so is a run, when no holder came so far as to end it.
func (l *Ledger) Claim(ctx context.Context, lane Lane, owner string) (*Work, error) {
	stops := l.hub.stops()
	keys := []string{lane.shared("due"), lane.key("l"), lane.key("in"), lane.key("out"), lane.shared("brake")}
	raw, err := l.run(ctx, l.scripts.claim, false, keys,
		string(lane), owner, Lease.Milliseconds(), maxTries, lane.key("j"), lane.key("ctx"), lane.shared("dlq"), maxAway)
	if err != nil {
		return nil, err
	}
	got, ok := raw.([]any)
	if !ok || len(got) < 12 {
		return nil, nil
	}
	epoch, err := strconv.ParseInt(text(got[1]), 10, 64)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the epoch of %s", lane)
	}
	w := &Work{Claim: Claim{lane, owner, epoch}, Stopped: text(got[7]) != "", brakes: pairs(texts(got[10])), stops: stops}
	if w.Attempt, err = strconv.Atoi(text(got[2])); err != nil {
		return nil, fault.As(fault.Internal, err, "the attempts at %s", lane)
	}
	if err := l.open(w, got); err != nil || w.Outbox == nil {
		return w, err
	}
	// That a delivery begins has to outlive this server: a repeat after a failover could not say that it is one.
	if err := l.extend(ctx, w.Claim, true); err != nil {
		return nil, err
	}
	return w, nil
}

// open unseals what a claim found.
func (l *Ledger) open(w *Work, got []any) (err error) {
	box := l.box(w.Lane)
	if out := text(got[4]); out != "" {
		id, rest, _ := strings.Cut(out, "|")
		kind, body, _ := strings.Cut(rest, "|")
		w.Outbox = &Outgoing{ID: id, Doubt: text(got[5]) == "1", Dead: kind == "D"}
		if w.Outbox.Tries, err = strconv.Atoi(text(got[11])); err != nil {
			return fault.As(fault.Internal, err, "the deliveries of %s", w.Lane)
		}
		field := "out"
		if w.Outbox.Dead {
			field = "in"
		}
		w.Outbox.Body, err = box.Open(field, []byte(body))
		return err
	}
	if in := text(got[3]); in != "" {
		seq, body, _ := strings.Cut(in, "|")
		w.Inbox = &Incoming{}
		if w.Inbox.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil {
			return fault.As(fault.Internal, err, "a sequence number of %s", w.Lane)
		}
		if w.Inbox.Body, err = box.Open("in", []byte(body)); err != nil {
			return err
		}
	}
	if header := text(got[6]); header != "" {
		if w.Header, err = box.Open("hdr", []byte(header)); err != nil {
			return err
		}
	}
	if w.Journal, err = l.openJournal(w.Lane, texts(got[8])); err != nil {
		return err
	}
	for _, turn := range texts(got[9]) {
		plain, err := box.Open("ctx", []byte(turn))
		if err != nil {
			return err
		}
		w.Turns = append(w.Turns, plain)
	}
	return nil
}

// Extend keeps a claim for another lease. Stale means that somebody else has the lane now.
func (l *Ledger) Extend(ctx context.Context, c Claim) error { return l.extend(ctx, c, false) }

func (l *Ledger) extend(ctx context.Context, c Claim, durable bool) error {
	keys := []string{c.Lane.key("l"), c.Lane.shared("due")}
	_, err := l.insist(ctx, c, l.scripts.extend, durable, keys, c.Owner, c.Epoch, string(c.Lane), Lease.Milliseconds())
	return err
}

// Hold extends a claim in the background while long work is under way. The context it returns ends, with
// the cause, when the claim is lost. The caller calls release before using the claim for the last time;
// release waits for the background work to end.
func (l *Ledger) Hold(ctx context.Context, c Claim) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			if err := l.Extend(held, c); fault.Is(err, fault.Stale) {
				cancel(err)
				return
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-done
	}
}

// openJournal unseals field/value pairs of a journal and puts them in the order written. Two lines may have the same
// place where a store brought a line back that it had lost: see redisd.Mend. Both are true.
func (l *Ledger) openJournal(lane Lane, pairs []string) ([]Entry, error) {
	box := l.box(lane)
	type line struct {
		at int
		Entry
	}
	lines := make([]line, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		key := pairs[i]
		at, rest, _ := strings.Cut(pairs[i+1], "|")
		_, sealed, _ := strings.Cut(rest, "|")
		n, err := strconv.Atoi(at)
		if err != nil {
			return nil, fault.New(fault.Internal, "the journal of %s is damaged at %s", lane, key)
		}
		body, err := box.Open("j/"+key, []byte(sealed))
		if err != nil {
			return nil, err
		}
		lines = append(lines, line{n, Entry{key, body}})
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.Key, b.Key)) })
	entries := make([]Entry, len(lines))
	for i, l := range lines {
		entries[i] = l.Entry
	}
	return entries, nil
}
