package platformtest

import (
	"net/http"
	"slices"
	"time"
)

// Rate is how many calls a platform takes in a time.
type Rate struct {
	Calls int
	Per   time.Duration
}

// limit is a rate of a method's calls, all together or those about one conversation.
type limit struct {
	method string
	chats  bool // each conversation has the rate to itself
	rate   Rate
	taken  map[string][]time.Time
}

// Limit refuses the calls of a method that come faster than the platform allows: to one conversation, and to
// all together. The zero Rate is no limit.
func (b *Base) Limit(method string, chat, all Rate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range []*limit{{method: method, chats: true, rate: chat}, {method: method, rate: all}} {
		if l.rate.Calls > 0 {
			l.taken = map[string][]time.Time{}
			b.limits = append(b.limits, l)
		}
	}
}

// limited returns the failure of a call that comes too fast: a 429 that says in how many seconds to come
// again. A call counts where nothing refuses it. The caller holds the lock.
func (b *Base) limited(c Call) (Failure, bool) {
	now := b.Now()
	fits := slices.DeleteFunc(slices.Clone(b.limits), func(l *limit) bool { return l.method != c.Method })
	for _, l := range fits {
		if wait := l.wait(c, now); wait > 0 {
			return Failure{Method: c.Method, Status: http.StatusTooManyRequests, RetryAfter: int((wait + time.Second - 1) / time.Second)}, true
		}
	}
	for _, l := range fits {
		l.taken[l.key(c)] = append(l.taken[l.key(c)], now)
	}
	return Failure{}, false
}

func (l *limit) key(c Call) string {
	if l.chats {
		return c.Chat
	}
	return ""
}

// wait is how long until the limit has room for a call.
func (l *limit) wait(c Call, now time.Time) time.Duration {
	taken := slices.DeleteFunc(l.taken[l.key(c)], func(at time.Time) bool { return now.Sub(at) >= l.rate.Per })
	l.taken[l.key(c)] = taken
	if len(taken) < l.rate.Calls {
		return 0
	}
	return taken[len(taken)-l.rate.Calls].Add(l.rate.Per).Sub(now)
}
