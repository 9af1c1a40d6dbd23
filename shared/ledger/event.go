package ledger

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Event is one line of a session's event log: what people's screens show. IDs grow; a reader resumes
// after the last one it has.
type Event struct {
	ID   string
	Body []byte
}

// eventID is the form of a stream's ids: milliseconds and a counter.
var eventID = regexp.MustCompile(`^[0-9]{1,19}(-[0-9]{1,19})?$`)

// Append adds an event to a session's log and returns its id. A key that was used in the last day returns
// the id of then; "" is no key.
func (l *Ledger) Append(ctx context.Context, lane Lane, key string, body []byte) (string, error) {
	keys := []string{lane.key("ev"), lane.key("ev")}
	if key != "" {
		keys[1] = lane.shared("ek:" + l.vault.Blind("event", string(lane), key))
	}
	raw, err := l.run(ctx, l.scripts.event, false, keys,
		string(lane), l.box(lane).Seal("ev", body), maxEvents, KeepIdle.Milliseconds())
	if err != nil {
		return "", err
	}
	return text(raw), nil
}

// Events returns up to max events after an id ("" for all that are kept). When there is none yet, it waits
// up to wait for the first; none is not an error.
func (l *Ledger) Events(ctx context.Context, lane Lane, after string, wait time.Duration, max int) ([]Event, error) {
	changed, forget := l.Changes(lane)
	defer forget()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		events, err := l.events(ctx, lane, after, max)
		if err != nil || len(events) > 0 || wait <= 0 {
			return events, err
		}
		select {
		case <-changed:
		case <-timer.C:
			wait = 0
		case <-ctx.Done():
			return nil, nil
		}
	}
}

func (l *Ledger) events(ctx context.Context, lane Lane, after string, max int) ([]Event, error) {
	start := "-"
	if after != "" {
		if !eventID.MatchString(after) {
			return nil, fault.New(fault.Invalid, "not an event id: %.40q", after)
		}
		start = "(" + after
	}
	lines, err := l.rdb.XRangeN(ctx, lane.key("ev"), start, "+", int64(max)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, kinded(err)
	}
	box := l.box(lane)
	events := make([]Event, len(lines))
	for i, line := range lines {
		body, err := box.Open("ev", []byte(text(line.Values["b"])))
		if err != nil {
			return nil, err
		}
		events[i] = Event{line.ID, body}
	}
	return events, nil
}

// Changes returns a channel that gets a value after each change of a lane: an event in a session, a
// journal line in a run. Several changes may share a value. forget ends it.
func (l *Ledger) Changes(lane Lane) (changed <-chan struct{}, forget func()) {
	return l.hub.join(string(lane))
}

const (
	// quietTime is how long a subscription may say nothing before it is asked for a sign of life, and then how
	// long it has for that: a connection that is half open says nothing for ever.
	quietTime = 2 * time.Second
	// resubscribePause is the pause before a lost subscription is made anew.
	resubscribePause = 100 * time.Millisecond
)

// hub shares one subscription among all readers of the process. In a cluster any server will do: each passes
// on what is published to all others.
type hub struct {
	rdb     redis.UniversalClient
	mu      sync.Mutex
	readers map[string]map[chan struct{}]struct{}
	said    int64 // how often somebody said stop
	end     context.CancelFunc
	done    chan struct{}
}

func newHub(rdb redis.UniversalClient) *hub {
	h := &hub{rdb: rdb, readers: map[string]map[chan struct{}]struct{}{}, done: make(chan struct{})}
	ctx, end := context.WithCancel(context.Background())
	h.end = end
	go h.serve(ctx)
	return h
}

// serve subscribes again and again until close: a subscription ends with its connection.
func (h *hub) serve(ctx context.Context) {
	defer close(h.done)
	for ctx.Err() == nil {
		h.follow(ctx)
		timer := time.NewTimer(resubscribePause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// follow listens until the connection is lost or says nothing. When a subscription begins, every reader looks
// again, because a change may have been missed before.
func (h *hub) follow(ctx context.Context) {
	sub := h.rdb.Subscribe(ctx, "h:changed")
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { sub.Close() })()
	for asked := false; ; {
		m, err := sub.ReceiveTimeout(ctx, quietTime)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && !asked {
			asked = true
			err = sub.Ping(ctx)
		}
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *redis.Message:
			h.wake(m.Payload)
		case *redis.Subscription:
			h.wakeAll()
		}
		asked = asked && m == nil
	}
}

// stops counts how often this process heard that somebody said stop.
func (h *hub) stops() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said
}

func (h *hub) wake(lane string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.HasPrefix(lane, stopPrefix) {
		h.said++
	}
	for reader := range h.readers[lane] {
		nudge(reader)
	}
}

func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said++ // perhaps
	for _, readers := range h.readers {
		for reader := range readers {
			nudge(reader)
		}
	}
}

// nudge leaves a value for a reader, unless one waits there already.
func nudge(reader chan struct{}) {
	select {
	case reader <- struct{}{}:
	default:
	}
}

func (h *hub) join(lane string) (<-chan struct{}, func()) {
	reader := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readers[lane] == nil {
		h.readers[lane] = map[chan struct{}]struct{}{}
	}
	h.readers[lane][reader] = struct{}{}
	return reader, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.readers[lane], reader)
		if len(h.readers[lane]) == 0 {
			delete(h.readers, lane)
		}
	}
}

func (h *hub) close() {
	h.end()
	<-h.done
}
