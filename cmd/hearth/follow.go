package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
)

// patience is how long a gateway may be away while somebody waits for what happens there. The pauses
// between tries double from the first to the last.
const (
	patience   = 2 * time.Minute
	firstPause = 250 * time.Millisecond
	lastPause  = 4 * time.Second
)

// marks stand before the line of a step that came to rest.
var marks = map[flow.UnitState]string{
	flow.UnitDone: "✓", flow.UnitFailed: "✗", flow.UnitSkipped: "–", flow.UnitUnknown: "?",
	flow.UnitUndone: "↩", flow.UndoBroken: "!", flow.UnitHeld: "…",
}

// follower follows a run and writes a line for each step that comes to rest.
type follower struct {
	*printer
	client *client
	seen   map[string]string // by step: what was last said of it
	raw    json.RawMessage   // the last view, as it came
	stay   bool              // also while it waits for an approval
}

// known keeps quiet about what a view says already.
func (f *follower) known(v flow.View) {
	f.seen = map[string]string{}
	for _, s := range v.Steps {
		f.seen[s.ID] = phase(s)
	}
}

// phase changes with each line that a step is worth.
func phase(s flow.ViewStep) string { return fmt.Sprintf("%s/%d", s.State, len(s.Attempts)) }

// follow waits until a run has ended, or until it waits for a person.
func (f *follower) follow(ctx context.Context, id string) (flow.View, error) {
	v, err := f.look(ctx, runsPath+"/"+url.PathEscape(id))
	asked := false
	for err == nil {
		f.report(v)
		waits := v.State == flow.WaitingApproval
		if v.State.Over() || waits && !f.stay {
			return v, nil
		}
		if waits && !asked {
			asked = true
			f.note("waits for approval: hearth approve %s", v.ID)
		}
		v, err = f.look(ctx, fmt.Sprintf("%s/%s?wait=%d&rev=%d", runsPath, url.PathEscape(id), waitFor, v.Rev))
	}
	f.wipe()
	return v, late(ctx, err, "the run goes on without us", "hearth runs watch "+id)
}

// look reads a run. A gateway that is away for a moment, as it is while it restarts, is waited for.
func (f *follower) look(ctx context.Context, path string) (flow.View, error) {
	var v flow.View
	err := f.client.persist(ctx, f.note, func() (err error) {
		v, f.raw, err = fetch[flow.View](ctx, f.client, "GET", path, nil)
		return err
	})
	return v, err
}

// report writes what changed.
func (f *follower) report(v flow.View) {
	if f.seen == nil {
		f.seen = map[string]string{}
	}
	running := ""
	for _, s := range v.Steps {
		if s.State == flow.UnitRunning || s.State == flow.UnitUndoing {
			running = fmt.Sprintf("%s %s (%s)", s.State, s.Title, s.ID)
		}
		now := phase(s)
		if f.seen[s.ID] == now {
			continue
		}
		f.seen[s.ID] = now
		if mark := marks[s.State]; mark != "" {
			f.note("%s %s", mark, f.stepLine(s))
		}
	}
	if running != "" && !v.State.Over() {
		f.now(running)
	} else {
		f.wipe()
	}
}

func (p *printer) stepLine(s flow.ViewStep) string {
	about := []string{s.ID}
	if s.State == flow.UnitDone || s.State == flow.UnitFailed || s.State == flow.UnitUnknown {
		if t := took(s); t != "" {
			about = append(about, t)
		}
		if n := len(s.Attempts); n > 1 {
			about = append(about, fmt.Sprintf("attempt %d", n))
		}
	}
	line := s.Title
	if text := p.said(s); text != "" && s.State != flow.UnitUndone {
		line += ": " + text
	}
	return fmt.Sprintf("%s (%s)", line, strings.Join(about, ", "))
}

// finish writes how a run stands and returns its exit code as an error.
func (f *follower) finish(v flow.View) error {
	f.wipe()
	if err := f.show(f.raw, func() { f.run(v) }); err != nil {
		return err
	}
	return exitOf(v)
}

// exitOf is the exit code that a run asks for, nil for 0.
func exitOf(v flow.View) error {
	if v.Exit == 0 {
		return nil
	}
	return exit(v.Exit)
}

// interrupted is the exit code after Ctrl-C, as shells have it: 128 and the signal's number.
const interrupted exit = 130

// late turns the end of the time that a person gave us into an error that says what to do then. Somebody
// who presses Ctrl-C knows.
func late(ctx context.Context, err error, what, next string) error {
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.As(fault.Timeout, err, "out of time: %s", what).Try(next)
	default:
		return interrupted
	}
}

// within gives a command the time that a person gave it; 0 is without end.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// persist calls do again while the gateway is away. do must be harmless to repeat.
func (c *client) persist(ctx context.Context, note func(string, ...any), do func() error) error {
	o := outage{note: note}
	for {
		err := do()
		if err == nil {
			return nil
		}
		if err := o.survive(ctx, err); err != nil {
			return err
		}
	}
}

// outage is a time in which the gateway is away.
type outage struct {
	note  func(string, ...any)
	tries int
	away  time.Duration
}

// survive waits until it is time for the next try. It returns err where that cannot help: another try
// would fail too, the wait took as long as patience, or ctx has ended.
func (o *outage) survive(ctx context.Context, err error) error {
	if !fault.Retryable(err) || ctx.Err() != nil || o.away >= patience {
		return err
	}
	if o.tries == 0 {
		o.note("%s; trying again", fault.Text(err))
	}
	pause := max(fault.After(err), min(firstPause<<min(o.tries, 4), lastPause))
	o.tries, o.away = o.tries+1, o.away+pause
	return wait(ctx, pause)
}

// over ends the outage.
func (o *outage) over() { o.tries, o.away = 0, 0 }

// wait waits for d, or for the end of ctx, which is an error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return interrupted
		}
		return ctx.Err()
	}
}
