// Package platformtest is what the stand-ins of chat platforms share: a server, a book of all calls, failures
// by script, rate limits, and waiting for what happens. What a platform says and does is in its own package,
// written from the platform's documentation.
package platformtest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience bounds Wait. Nothing takes so long that works.
const patience = time.Minute

// Base is embedded by each stand-in. It is safe for concurrent use, and calls nothing of the stand-in while
// it is locked.
type Base struct {
	URL string           // of the server, without a path
	Now func() time.Time // the clock of the rate limits; the real one unless a test sets another

	ctx     context.Context
	running sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed at every change
	calls    []Call
	failures []Failure
	limits   []*limit
}

// Call is a call of the platform's API as it came in, whatever became of it.
type Call struct {
	Method string
	Chat   string // the conversation it is about, "" for none
	Params json.RawMessage
	Header http.Header
}

// Failure is what a call meets instead of success. The first three fields choose the answer, as the platform
// words it; the last three break the connection.
type Failure struct {
	Method string // the call's; "" for any
	Call   int    // which call of the method, counted from 1; 0 for the next one that comes

	Status     int    // of the answer
	Text       string // the platform's code or description of the error
	RetryAfter int    // seconds
	Drop       bool   // do what was asked, and break the connection before the answer
	Lose       bool   // break the connection, and do nothing
	Stall      bool   // never answer, and do nothing
}

// Answer writes what the platform says.
type Answer func(w http.ResponseWriter)

// Start serves a stand-in until the test ends. build puts the base into it and returns its handler: the first
// call may come before Start returns.
func Start(t testing.TB, build func(*Base) http.HandlerFunc) *Base {
	t.Helper()
	b := &Base{Now: time.Now, changed: make(chan struct{})}
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(nil)
	b.URL = "http://" + server.Listener.Addr().String()
	server.Config.Handler = build(b)
	server.Start()
	t.Cleanup(func() {
		cancel()
		b.running.Wait()
		server.CloseClientConnections()
		server.Close()
	})
	return b
}

// Context ends with the test.
func (b *Base) Context() context.Context { return b.ctx }

// Go runs f. It has to end with Context, and the test waits for it.
func (b *Base) Go(f func()) { b.running.Go(f) }

// Pause waits, and reports whether the test still runs.
func (b *Base) Pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-b.ctx.Done():
		return false
	}
}

// Fail adds failures to the script. Of those that fit a call, the first is used up.
func (b *Base) Fail(failures ...Failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = append(b.failures, failures...)
}

// Calls returns the calls of a method so far, oldest first; of all methods for "".
func (b *Base) Calls(method string) []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.calls), func(c Call) bool { return method != "" && c.Method != method })
}

// Serve notes a call and answers it: with what do says once it has done what was asked, or with what refuse
// makes of a failure that the script or a rate limit has for it.
func (b *Base) Serve(w http.ResponseWriter, r *http.Request, c Call, do func() Answer, refuse func(Failure) Answer) {
	c.Header = r.Header.Clone()
	f, fails := b.note(c)
	switch {
	case !fails:
		do()(w)
	case f.Drop:
		do()
		panic(http.ErrAbortHandler)
	case f.Lose:
		panic(http.ErrAbortHandler)
	case f.Stall:
		select {
		case <-r.Context().Done():
		case <-b.ctx.Done():
		}
	default:
		refuse(f)(w)
	}
}

// note writes a call down and returns its failure, if it has one.
func (b *Base) note(c Call) (Failure, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, c)
	b.touch()
	number := 0
	for _, other := range b.calls {
		if other.Method == c.Method {
			number++
		}
	}
	for i, f := range b.failures {
		if (f.Method == "" || f.Method == c.Method) && (f.Call == 0 || f.Call == number) {
			b.failures = slices.Delete(b.failures, i, i+1)
			return f, true
		}
	}
	return b.limited(c)
}

// Changed returns a channel that is closed at the next change. Who asks for it before looking misses none.
func (b *Base) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// Touch tells those who wait that something changed.
func (b *Base) Touch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.touch()
}

func (b *Base) touch() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Wait returns when done is true; it looks again at every change. It fails the test after a minute.
func (b *Base) Wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		changed := b.Changed()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
