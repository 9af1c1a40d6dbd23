// Package journal is a run under a claim: the state machine of flow, and the lane of the ledger that each
// of its events is written to before anything follows from it.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/alert"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// Journal is a run that this holder may move. It is safe for concurrent use; the run that Run returns is
// not to be used while units run side by side.
type Journal struct {
	Attempt int // claims without progress, this one included

	ledger *ledger.Ledger
	claim  ledger.Claim
	work   *ledger.Work // nil where the claim was handed on
	now    func() time.Time
	mu     sync.Mutex
	run    *flow.Run
}

// newerPause is how long a run rests that only a newer version can go on with.
const newerPause = 5 * time.Second

// Take claims a run. It returns nil when there is nothing to do or another holder is at it. Unavailable means that
// a newer version wrote a line of it: the run is left to that one, and this try does not count.
func Take(ctx context.Context, l *ledger.Ledger, lane ledger.Lane, now func() time.Time) (*Journal, error) {
	work, err := l.Claim(ctx, lane, ledger.NewOwner())
	if err != nil || work == nil {
		return nil, err
	}
	run, err := understood(work.Header, work.Journal)
	if fault.Is(err, fault.Unavailable) {
		return nil, errors.Join(err, l.Wait(ctx, work.Claim, newerPause))
	}
	if err != nil {
		return nil, err
	}
	return &Journal{Attempt: work.Attempt, ledger: l, claim: work.Claim, work: work, now: now, run: run}, nil
}

// Resume takes over a claim that another function handed on.
func Resume(ctx context.Context, l *ledger.Ledger, claim ledger.Claim, now func() time.Time) (*Journal, error) {
	j := &Journal{Attempt: 1, ledger: l, claim: claim, now: now}
	if err := l.Extend(ctx, claim); err != nil {
		return nil, err
	}
	return j, j.Reload(ctx)
}

// Fold rebuilds a run from what the ledger keeps of it, for somebody who looks at it or decides about it. What a
// newer version wrote is passed over: a stop, above all, has to work then too.
func Fold(header []byte, lines []ledger.Entry) (*flow.Run, error) {
	h, events, err := decode(header, lines)
	if err != nil {
		return nil, err
	}
	return flow.Fold(h, events), nil
}

// understood is Fold for somebody who acts by it: Unavailable where a newer version wrote a line.
func understood(header []byte, lines []ledger.Entry) (*flow.Run, error) {
	h, events, err := decode(header, lines)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if !e.Known() {
			return nil, fault.New(fault.Unavailable, "run %s has a line of a newer version: %s %s", h.ID, e.Type, e.State).
				Try("bring all functions to one version")
		}
	}
	return flow.Fold(h, events), nil
}

func decode(header []byte, lines []ledger.Entry) (h flow.Header, events []flow.Event, err error) {
	if err := json.Unmarshal(header, &h); err != nil {
		return h, nil, fault.As(fault.Internal, err, "a run's header cannot be read")
	}
	events = make([]flow.Event, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal(line.Body, &events[i]); err != nil {
			return h, nil, fault.As(fault.Internal, err, "the line %s of run %s cannot be read", line.Key, h.ID)
		}
	}
	return h, events, nil
}

// Read rebuilds a run that was listed.
func Read(stored ledger.Run) (*flow.Run, error) {
	if stored.Damage != nil {
		return nil, stored.Damage
	}
	return Fold(stored.Header, stored.Journal)
}

// Replay folds the journal of a run line by line.
func Replay(ctx context.Context, l *ledger.Ledger, lane ledger.Lane) ([]flow.Moment, error) {
	stored, err := l.Load(ctx, lane)
	if err != nil {
		return nil, err
	}
	h, events, err := decode(stored.Header, stored.Journal)
	if err != nil {
		return nil, err
	}
	return flow.Replay(h, events), nil
}

// Load reads a run without a claim.
func Load(ctx context.Context, l *ledger.Ledger, lane ledger.Lane) (*flow.Run, error) {
	stored, err := l.Load(ctx, lane)
	if err != nil {
		return nil, err
	}
	return Read(stored)
}

// Reload reads the run again: something was decided from outside.
func (j *Journal) Reload(ctx context.Context) error {
	stored, err := j.ledger.Load(ctx, j.claim.Lane)
	if err != nil {
		return err
	}
	run, err := understood(stored.Header, stored.Journal)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.run = run
	return nil
}

// Heed returns a context that ends with ledger.ErrStopped as its cause when somebody says stop to this run,
// its user or everything. The caller calls release. Only the holder that took the run may call it.
func (j *Journal) Heed(ctx context.Context) (heeding context.Context, release func()) {
	return j.ledger.Heed(ctx, j.work, j.run.User)
}

// Halt makes sure that the journal says that the run was stopped: whoever put a brake on everything did not
// know of a run that began at that moment.
func (j *Journal) Halt(ctx context.Context) error {
	if err := j.Reload(ctx); err != nil || j.run.Stopping || j.run.State.Over() {
		return err
	}
	e := flow.Event{Type: flow.Stop, At: j.now(), By: "hearth stop"}
	body, err := json.Marshal(e)
	if err != nil {
		return fault.As(fault.Internal, err, "the stop of run %s", j.run.ID)
	}
	if _, _, err := j.ledger.Decide(ctx, j.claim.Lane, e.Key(j.run.Round+1), body, ledger.SetStop); err != nil {
		return err
	}
	return j.Reload(ctx)
}

// Run returns the run as it stands.
func (j *Journal) Run() *flow.Run { return j.run }

// Claim returns the claim that fences all writes.
func (j *Journal) Claim() ledger.Claim { return j.claim }

// Write writes an event and applies it. An event that stands there already, from before a crash, is fine.
func (j *Journal) Write(ctx context.Context, e flow.Event) error {
	return j.write(ctx, e, j.ledger.Step)
}

// Intent writes the event that comes before an effect. Forbidden means that somebody said stop.
func (j *Journal) Intent(ctx context.Context, e flow.Event) error {
	return j.write(ctx, e, func(ctx context.Context, c ledger.Claim, _ int64, key string, body []byte) error {
		return j.ledger.Intent(ctx, c, j.run.User, key, body)
	})
}

type writer func(ctx context.Context, c ledger.Claim, seq int64, key string, body []byte) error

func (j *Journal) write(ctx context.Context, e flow.Event, to writer) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.At = j.now()
	body, err := json.Marshal(e)
	if err != nil {
		return fault.As(fault.Internal, err, "an event of run %s", j.run.ID)
	}
	if err := to(ctx, j.claim, 0, e.Key(j.run.Round), body); err != nil {
		return err
	}
	j.run.Apply(e)
	return nil
}

// Wait gives the run free until a time, or until a decision when it is zero.
func (j *Journal) Wait(ctx context.Context, until time.Time) error {
	in := time.Duration(-1)
	if !until.IsZero() {
		in = max(0, until.Sub(j.now()))
	}
	return j.ledger.Wait(ctx, j.claim, in)
}

// Rest gives the run free that is over already: somebody decided about it as it ended.
func (j *Journal) Rest(ctx context.Context) error { return j.ledger.Rest(ctx, j.claim) }

// Retry gives the run free and makes it due again after a while.
func (j *Journal) Retry(ctx context.Context, after time.Duration) error {
	return j.ledger.Retry(ctx, j.claim, after)
}

// End ends the run in a state and puts the result into its session's outbox. It returns that session, ""
// when nobody waits. Every end passes here, whoever moved the run. One that somebody has to hear of is raised as
// an alert before it is written, so that a crash in between loses neither.
func (j *Journal) End(ctx context.Context, e flow.Event) (ledger.Lane, error) {
	e.Type, e.At = flow.Ended, j.now()
	body, err := json.Marshal(e)
	if err != nil {
		return "", fault.As(fault.Internal, err, "the end of run %s", j.run.ID)
	}
	key := e.Key(j.run.Round)
	j.run.Apply(e)
	end := ledger.End{Key: key, Body: body, Session: ledger.Lane(j.run.Session)}
	if end.Session != "" {
		if end.Answer, err = result(j.run, j.now()); err != nil {
			return "", err
		}
	}
	if a, ok := alert.Ended(j.run); ok {
		if err := alert.Raise(ctx, j.ledger, a); err != nil {
			return "", err
		}
	}
	return end.Session, j.ledger.End(ctx, j.claim, end)
}

// Tell puts a hint into the session's event log: this run changed, look at it again. A lost hint costs
// nobody anything, so the error is for the log only.
func (j *Journal) Tell(ctx context.Context, step, status string) error {
	j.mu.Lock()
	session, state := j.run.Session, j.run.State
	j.mu.Unlock()
	if session == "" {
		return nil
	}
	hint, err := json.Marshal(map[string]any{
		"type": "run", "run": string(j.claim.Lane), "state": state, "step": step, "status": status, "at": j.now(),
	})
	if err != nil {
		return fault.As(fault.Internal, err, "a hint of run %s", j.claim.Lane)
	}
	_, err = j.ledger.Append(ctx, ledger.Lane(session), "", hint)
	return err
}
