package provider

import (
	"context"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of one function's queue.
const (
	maxQueued = 10_000 // calls, and likewise doorbells
	maxBytes  = 64 << 20
)

// queue holds what is to be done later, a limited number at a time: a function's async calls, or the callbacks
// of all functions. Its workers exist only while there is something to do.
type queue struct {
	provider *Provider
	name     string          // of the function
	limit    func() int      // of workers
	do       func(*job)      // a job from the spool
	answer   func(c *queued) // a doorbell

	mu      sync.Mutex
	ready   []*job
	jobs    map[*job]struct{} // all from the spool that are not done: ready, running and waiting for a retry
	bells   map[string]*bell  // by lane
	held    int               // calls accepted and not done, those on their way to the disk included
	bytes   int64             // of the held calls
	workers int
}

// job is one thing to do: a record of the spool, or the ring of a doorbell. The fields below the line
// belong to queue.mu.
type job struct {
	id      uint64 // in the spool
	payload []byte // the encoded call
	call    string // its call id
	attempt int    // attempts so far
	lane    string // of a doorbell

	cancelled bool
	stop      context.CancelFunc // ends the attempt that runs; nil when none does
	forget    func() bool        // of the timer until the next attempt
}

// bell is the doorbell of a lane. A ring is a hint whose truth is in the ledger, so it is not kept on disk;
// rings of a lane merge while one waits, and those that come while one runs make it run once more.
type bell struct {
	call    *queued // the latest
	running bool
	again   bool
}

func newQueue(p *Provider, name string, limit func() int) *queue {
	return &queue{provider: p, name: name, limit: limit, jobs: map[*job]struct{}{}, bells: map[string]*bell{}}
}

// ring queues a doorbell.
func (q *queue) ring(lane string, call *queued) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b := q.bells[lane]; b != nil {
		b.call = call // its signature is younger
		b.again = b.running
		return nil
	}
	if len(q.bells) >= maxQueued {
		return fault.New(fault.Limited, "%d lanes of %s are ringing", maxQueued, q.name).In(time.Second)
	}
	q.bells[lane] = &bell{call: call}
	q.push(&job{lane: lane})
	return nil
}

// reserve makes room for a call of n bytes before it goes to disk.
func (q *queue) reserve(n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.crowded(n) {
		return fault.New(fault.Limited, "the queue of %s is full", q.name).In(time.Second)
	}
	q.held++
	q.bytes += int64(n)
	return nil
}

// full reports whether there is no room for a job of n bytes.
func (q *queue) full(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.crowded(n)
}

// crowded is full for a caller that holds mu.
func (q *queue) crowded(n int) bool { return q.held >= maxQueued || q.bytes+int64(n) > maxBytes }

// unreserve frees the room of a call that was not accepted after all.
func (q *queue) unreserve(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held--
	q.bytes -= int64(n)
}

// admit queues a job that has its room.
func (q *queue) admit(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs[j] = struct{}{}
	q.push(j)
}

// force queues a job that was accepted before: it gets its room even where that is too much now.
func (q *queue) force(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held++
	q.bytes += int64(len(j.payload))
	q.jobs[j] = struct{}{}
	q.push(j)
}

// leave frees the room of a job that is done. The spool is the caller's affair.
func (q *queue) leave(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drop(j)
}

// drop is leave for a caller that holds mu.
func (q *queue) drop(j *job) {
	if _, ok := q.jobs[j]; !ok {
		return
	}
	delete(q.jobs, j)
	q.held--
	q.bytes -= int64(len(j.payload))
}

// later queues a job once more after a pause.
func (q *queue) later(j *job, pause time.Duration) {
	forget := q.provider.config.After(pause, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if j.forget = nil; !j.cancelled {
			q.push(j)
		}
	})
	q.mu.Lock()
	defer q.mu.Unlock()
	j.forget = forget
}

// begin says that an attempt at a job runs, which stop ends. It reports false when the job was cancelled.
func (q *queue) begin(j *job, stop context.CancelFunc) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.stop = stop
	j.attempt++
	return !j.cancelled
}

// ended reports whether the attempt that just ended was cut off because its job was cancelled.
func (q *queue) ended(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.stop = nil
	return j.cancelled
}

// cancel takes all jobs of a call out of the queue, ends those that run, and returns their ids in the spool.
func (q *queue) cancel(call string) []uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	var ids []uint64
	for j := range q.jobs {
		if j.call != call {
			continue
		}
		j.cancelled = true
		q.drop(j)
		if j.stop != nil {
			j.stop()
		}
		if j.forget != nil {
			j.forget()
		}
		ids = append(ids, j.id)
	}
	return ids
}

// push appends a job and sees to a worker for it. The caller holds mu.
func (q *queue) push(j *job) {
	q.ready = append(q.ready, j)
	if q.workers < q.limit() && q.provider.drain.Err() == nil {
		q.workers++
		q.provider.calls.start(q.work)
	}
}

// work does jobs until there are none. At the end of the provider it leaves them: calls are in the spool,
// and the lanes of doorbells are due in the ledger.
func (q *queue) work() {
	for {
		j, ok := q.next()
		if !ok {
			return
		}
		if j.lane == "" {
			q.do(j)
			continue
		}
		q.answer(q.answered(j.lane))
		q.rung(j.lane)
	}
}

// next takes the oldest job that was not cancelled.
func (q *queue) next() (*job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready) > 0 && q.provider.drain.Err() == nil {
		j := q.ready[0]
		q.ready[0] = nil
		if q.ready = q.ready[1:]; len(q.ready) == 0 {
			q.ready = nil // frees the array of a burst
		}
		if !j.cancelled {
			return j, true
		}
	}
	q.workers--
	return nil, false
}

// answered returns the call that a lane's doorbell stands for and marks it as running.
func (q *queue) answered(lane string) *queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.bells[lane]
	b.running = true
	return b.call
}

// rung ends a doorbell, or queues it once more when it rang meanwhile.
func (q *queue) rung(lane string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.bells[lane]
	if !b.again {
		delete(q.bells, lane)
		return
	}
	b.running, b.again = false, false
	q.push(&job{lane: lane})
}
