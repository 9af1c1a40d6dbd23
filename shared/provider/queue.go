package provider

import (
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of one function's queue.
const (
	maxQueued = 10_000 // calls, and likewise doorbells
	maxBytes  = 64 << 20
)

// queue holds a function's async calls until they are made, a limited number at a time. Its workers exist
// only while there is something to do.
type queue struct {
	provider *Provider
	service  *service

	mu      sync.Mutex
	ready   []job
	bells   map[string]*bell // by lane
	held    int              // calls accepted and not done, those that wait for a retry included
	bytes   int64            // of the held calls
	workers int
}

// job is one thing to do: a call from the spool, or the ring of a doorbell.
type job struct {
	id      uint64 // in the spool
	payload []byte // the encoded call
	attempt int    // attempts so far
	lane    string // of a doorbell
}

// bell is the doorbell of a lane. A ring is a hint whose truth is in the ledger, so it is not kept on disk;
// rings of a lane merge while one waits, and those that come while one runs make it run once more.
type bell struct {
	call    *queued // the latest
	running bool
	again   bool
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
		return fault.New(fault.Limited, "%d lanes of %s are ringing", maxQueued, q.service.deployment.Name).In(time.Second)
	}
	q.bells[lane] = &bell{call: call}
	q.push(job{lane: lane})
	return nil
}

// reserve makes room for a call of n bytes before it goes to disk.
func (q *queue) reserve(n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held >= maxQueued || q.bytes+int64(n) > maxBytes {
		return fault.New(fault.Limited, "the queue of %s is full", q.service.deployment.Name).In(time.Second)
	}
	q.held++
	q.bytes += int64(n)
	return nil
}

// unreserve frees the room of a call that is done, or was not accepted.
func (q *queue) unreserve(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held--
	q.bytes -= int64(n)
}

// add queues a call that has its room.
func (q *queue) add(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(j)
}

// push appends a job and sees to a worker for it. The caller holds mu.
func (q *queue) push(j job) {
	q.ready = append(q.ready, j)
	if q.workers < q.provider.config.Inflight && q.provider.drain.Err() == nil {
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
			q.call(j)
			continue
		}
		call := q.answered(j.lane)
		call.make(q.service, discard{})
		q.rung(j.lane)
	}
}

func (q *queue) next() (job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 || q.provider.drain.Err() != nil {
		q.workers--
		return job{}, false
	}
	j := q.ready[0]
	q.ready[0] = job{}
	if q.ready = q.ready[1:]; len(q.ready) == 0 {
		q.ready = nil // frees the array of a burst
	}
	return j, true
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
	q.push(job{lane: lane})
}
