package provider

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openfaas/faas-provider/types"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
)

// The annotations by which OpenFaaS' cron connector finds functions and their schedules.
const (
	topicAnnotation    = "topic"
	scheduleAnnotation = "schedule"
	cronTopic          = "cron-function"
)

// everyPrefix begins a schedule with a fixed pace: "@every 1h30m".
const everyPrefix = "@every "

// leastEvery is the shortest pace: like the connector, we fire at most once a minute.
const leastEvery = time.Minute

// scheduleOf returns when a deployment wants to be called, or nil when it does not. Its times are in zone
// unless they begin with CRON_TZ=Zone.
func scheduleOf(d Deployment, zone *time.Location) (*flow.Schedule, error) {
	topics := strings.FieldsFunc(d.Annotations[topicAnnotation], func(r rune) bool { return r == ',' || r == ' ' })
	if !slices.Contains(topics, cronTopic) {
		return nil, nil
	}
	text := strings.TrimSpace(d.Annotations[scheduleAnnotation])
	if text == "" {
		return nil, nil // something else may call it by its topic
	}
	trigger := flow.Trigger{Type: flow.Cron, Schedule: text}
	if pace, found := strings.CutPrefix(text, everyPrefix); found {
		every, err := time.ParseDuration(strings.TrimSpace(pace))
		if err != nil || every < leastEvery {
			return nil, fault.New(fault.Invalid, "want a duration of at least %s after @every, not %.50q", leastEvery, pace).At(scheduleAnnotation)
		}
		trigger = flow.Trigger{Type: flow.Every, Schedule: every.String()}
	}
	s, err := flow.NewSchedule(trigger, zone, nil)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "%.100q is no schedule: %s", text, fault.Text(err)).At(scheduleAnnotation)
	}
	return s, nil
}

// timetable holds the next fire of each function that has a schedule. It is in memory only, like the
// connector's: what came due while the provider was down is not made up for.
type timetable struct {
	mu   sync.Mutex
	rows map[string]*row // by function
}

type row struct {
	schedule *flow.Schedule
	next     time.Time // zero for never
}

// plan gives a function the schedule of its new version, from now on; nil takes it away.
func (t *timetable) plan(name string, s *flow.Schedule, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s == nil {
		delete(t.rows, name)
		return
	}
	t.rows[name] = &row{schedule: s, next: s.Next(now)}
}

// due returns the functions to be called at now, and when to ask again: at the next fire, and after a minute
// at the latest, for clocks may be set. Each fire comes once, even when the clock is set back a little; of
// those that were missed only one comes.
func (t *timetable) due(now time.Time) (names []string, ask time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ask = now.Add(time.Minute)
	for name, r := range t.rows {
		if r.next.IsZero() {
			continue
		}
		if !r.next.After(now) {
			names = append(names, name)
			if r.next = r.schedule.Next(r.next); !r.next.IsZero() && !r.next.After(now) {
				r.next = r.schedule.Next(now)
			}
		}
		if !r.next.IsZero() && r.next.Before(ask) {
			ask = r.next
		}
	}
	slices.Sort(names)
	return names, ask
}

// schedule puts a deployment into the timetable, and says in the log what is wrong with it.
func (p *Provider) schedule(d Deployment) {
	if err := d.checkLabels(); err != nil {
		p.log.Warn("a function's labels or annotations are not followed", "function", d.Name, "err", err)
	}
	zone, err := p.env.Zone()
	if err != nil {
		p.log.Error("schedules are in UTC", "err", err)
		zone = time.UTC
	}
	s, _ := scheduleOf(d, zone) // its error is among those of checkLabels
	p.timetable.plan(d.Name, s, p.env.Now())
}

// publish makes a version of a function the one that is called, also by its schedule.
func (p *Provider) publish(s *service) {
	p.registry.put(s)
	p.schedule(s.deployment)
}

// Cron calls the functions whose schedules have come due at now, and returns when to ask again. Serve does
// so by itself.
func (p *Provider) Cron(now time.Time) (ask time.Time) {
	names, ask := p.timetable.due(now)
	for _, name := range names {
		p.calls.start(func() { p.fire(name) })
	}
	return ask
}

func (p *Provider) cronUntil(ctx context.Context) {
	for {
		now := p.env.Now()
		timer := time.NewTimer(p.Cron(now).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// fire calls a function as the cron connector does: by POST, with an empty body. It is not tried again; the
// next fire is.
func (p *Provider) fire(name string) {
	s, err := p.registry.find(name)
	if err != nil { // it was removed
		p.timetable.plan(name, nil, time.Time{})
		return
	}
	call := &queued{QueueRequest: types.QueueRequest{
		Method: http.MethodPost, Path: "/", Function: name, Header: http.Header{"X-Topic": {cronTopic}, "X-Connector": {"cron-connector"}},
	}}
	if base, err := url.Parse(gateway.Base(p.env)); err == nil {
		call.Host = base.Host
	}
	s.stamp(call.Header)
	out := &collector{header: http.Header{}}
	if _, err := p.make(p.life, call, out); err != nil {
		out.fail(fault.As(fault.Unknown, err, "%s broke off its answer", name))
	}
	if out.code() >= http.StatusBadRequest {
		p.log.Warn("a scheduled call failed", "function", name, "call", call.Header.Get("X-Call-Id"), "code", out.code())
	}
}
