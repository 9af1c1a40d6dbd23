package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// swindler is a target that does with each message what its number says.
func swindler(t *testing.T, handle func(w http.ResponseWriter, reply func(), id int64)) *people {
	t.Helper()
	p := &people{book: newBook(), client: newClient(10 * time.Second), patience: 50 * time.Millisecond, ids: &atomic.Int64{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var u struct {
			Message struct {
				Text string `json:"text"`
				Chat struct {
					ID int64 `json:"id"`
				} `json:"chat"`
			} `json:"message"`
		}
		var id int64
		if err := json.NewDecoder(r.Body).Decode(&u); err != nil {
			t.Error(err)
		}
		if _, err := fmt.Sscanf(u.Message.Text, "how are you, msg%d", &id); err != nil || r.Header.Get("X-Telegram-Bot-Api-Secret-Token") != secret {
			t.Errorf("%q: %v", u.Message.Text, err)
		}
		handle(w, func() { p.book.arrived(u.Message.Chat.ID, fmt.Sprintf("All is well, msg%d.", id), time.Now()) }, id)
	}))
	t.Cleanup(s.Close)
	p.url = s.URL
	return p
}

// What a target does wrong is seen, whichever way the messages are sent.
func TestLoadsSeeWhatGoesWrong(t *testing.T) {
	chats := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for name, load := range map[string]func(p *people) run{
		"closed": func(p *people) run { return p.closed(t.Context(), chats, 3) },
		"open":   func(p *people) run { return p.offer(t.Context(), chats, 1000) },
	} {
		p := swindler(t, func(w http.ResponseWriter, reply func(), id int64) {
			switch id {
			case 3: // accepted and forgotten
			case 4:
				reply()
				reply()
			case 5:
				w.WriteHeader(http.StatusTooManyRequests)
			case 6:
				panic(http.ErrAbortHandler)
			default:
				reply()
			}
		})
		r := load(p)
		got := fmt.Sprintf("%+v", p.book.tally())
		if want := "{Sent:10 Accepted:8 Refused:map[429:1] Broken:1 Lost:1 Doubled:1 Disordered:0 Odd:0}"; got != want {
			t.Errorf("%s: got  %s\nwant %s", name, got, want)
		}
		if len(r.answered()) != 7 || len(r.acked()) != 8 || len(r.notes) != 10 {
			t.Errorf("%s: %d answered, %d acknowledged, %d noted", name, len(r.answered()), len(r.acked()), len(r.notes))
		}
	}
}

// A closed load has no more in flight than it has callers, an open one does not wait.
func TestInFlight(t *testing.T) {
	chats := make([]int64, 20)
	for _, c := range []struct {
		name string
		load func(ctx context.Context, p *people) run
		most int64
	}{
		{"closed", func(ctx context.Context, p *people) run { return p.closed(ctx, chats, 4) }, 4},
		{"open", func(ctx context.Context, p *people) run { return p.offer(ctx, chats, 1e6) }, 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			var now atomic.Int64
			free := make(chan struct{})
			p := &people{book: newBook(), patience: time.Second, ids: &atomic.Int64{}, url: "http://target"}
			p.client = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
				now.Add(1)
				<-free
				return &http.Response{StatusCode: http.StatusTooManyRequests, Body: http.NoBody}, nil
			})}
			done := make(chan run)
			go func() { done <- c.load(t.Context(), p) }()
			time.Sleep(time.Second) // of the bubble's clock: all that may be sent is sent
			synctest.Wait()
			if now.Load() != c.most {
				t.Errorf("%s: %d in flight, want %d", c.name, now.Load(), c.most)
			}
			close(free)
			<-done
		})
	}
}

type transport func(r *http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// What an open load could not offer is said, and latencies count from when a message was due.
func TestRun(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	r := run{start: start, over: at(900)}
	for i := range 10 {
		due := at(100 * i)
		n := note{due: due, sent: due, acked: due.Add(5 * time.Millisecond), status: 200, answered: due.Add(50 * time.Millisecond), replies: 1}
		r.notes = append(r.notes, n)
	}
	if got := r.offered(); got != 10 {
		t.Errorf("offered %v/s", got)
	}
	if said := r.short(10); said != "" {
		t.Errorf("an even load is called %q", said)
	}
	if said := r.short(20); !strings.Contains(said, "could not offer 20/s") {
		t.Errorf("half the rate is called %q", said)
	}
	if !r.sustained(10) {
		t.Error("an even load counts as not sustained")
	}
	r.notes[4].sent = at(400 + 150)
	r.notes[4].answered = at(400 + 200)
	if said := r.short(10); !strings.Contains(said, "150 ms late") {
		t.Errorf("a late load is called %q", said)
	}
	if got := quantile(r.answered(), 1); got != 200 {
		t.Errorf("a message that was sent late took %v ms", got)
	}
	if got := quantile(r.acked(), .5); got != 5 {
		t.Errorf("acknowledged after %v ms", got)
	}
	if got := r.perSecond(); got < 10.5 || got > 10.6 { // ten in 950 ms
		t.Errorf("%v answers a second", got)
	}
	queued := r
	queued.notes = append([]note(nil), r.notes...)
	queued.notes[9].answered = at(900 + 1000)
	if queued.sustained(10) {
		t.Error("a queue counts as sustained")
	}
	r.notes[2].status = http.StatusTooManyRequests
	if r.sustained(10) {
		t.Error("a load with a refusal counts as sustained")
	}
}

func TestOverloaded(t *testing.T) {
	start := time.Unix(1000, 0)
	r := run{start: start, over: start.Add(time.Second)}
	for i := range 10 {
		r.notes = append(r.notes, note{due: start, status: 200, replies: 1, answered: start.Add(time.Duration(i+1) * 200 * time.Millisecond)})
	}
	s := sample{values: map[string]float64{}}
	s.overloaded(r, 10) // ten in 2 s
	if s.values["of peak %"] != 50 || s.values["drained after ms"] != 1000 || s.values["refused %"] != 0 || len(s.notes) != 1 {
		t.Errorf("%+v", s)
	}
	r.notes[9] = note{due: start, status: 429}
	s = sample{values: map[string]float64{}}
	s.overloaded(r, 5)
	if s.values["of peak %"] != 100 || s.values["drained after ms"] != 800 || s.values["refused %"] != 10 || len(s.notes) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestSpread(t *testing.T) {
	var chats []int64
	for i := range chatsFor(700) {
		chats = append(chats, int64(i))
	}
	all := spread(chats, 700)
	if len(all) != 700 {
		t.Fatalf("%d messages", len(all))
	}
	count, last, repeated := map[int64]int{}, int64(-1), 0
	for i, chat := range all {
		if count[chat]++; count[chat] > burst {
			t.Fatalf("chat %d gets more than %d", chat, burst)
		}
		if chat/crowd != int64(i/(crowd*burst)) {
			t.Fatalf("chat %d is written to at %d, beside another crowd", chat, i)
		}
		if chat == last {
			repeated++
		}
		last = chat
	}
	if repeated > 20 {
		t.Errorf("%d messages follow one in the same chat: they are not mixed", repeated)
	}
}

func TestChosen(t *testing.T) {
	chats := make([]int64, 1000)
	for i := range chats {
		chats[i] = int64(i)
	}
	b := &bench{n: 90}
	count, low, high := map[int64]int{}, int64(1000), int64(0)
	for _, chat := range b.chosen(chats) {
		count[chat]++
		low, high = min(low, chat), max(high, chat)
		if count[chat] > burst {
			t.Fatalf("chat %d gets more than %d", chat, burst)
		}
	}
	if low > 50 || high < 950 {
		t.Errorf("the chosen are between %d and %d of 1000", low, high)
	}
	if got := len(b.chosen(chats)); got != 90 {
		t.Errorf("%d messages, want 90", got)
	}
	if got := len(b.chosen(chats[:10])); got != 30 {
		t.Errorf("%d messages to ten chats, want 30", got)
	}
}

func TestLastMark(t *testing.T) {
	for text, want := range map[string]string{
		`{"messages":["how are you, msg12","All is well, msg12.","how are you, msg7"]}`: "msg7",
		`how are you, msg12 and no msg`: "msg12",
		`msg`:                           "nobody",
		``:                              "nobody",
	} {
		if got := lastMark([]byte(text)); got != want {
			t.Errorf("%q is marked %s, want %s", text, got, want)
		}
	}
}
