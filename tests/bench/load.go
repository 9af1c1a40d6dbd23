package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// most is how many posts may be without an answer at once. A sender that comes up against it is late, which
// its row says.
const most = 4096

// people write to one target, as many of them as a load needs, each in chats of their own.
type people struct {
	url      string // of the webhook
	book     *book
	client   *http.Client
	patience time.Duration
	ids      *atomic.Int64 // of messages, never used twice in a run of the bench
}

func newClient(limit time.Duration) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: most, DisableCompression: true}, Timeout: limit}
}

// run is what a load did.
type run struct {
	notes []note
	start time.Time
	over  time.Time // when the last message was posted
}

// closed writes to each of chats, in this order, with at most callers who wait for their answer.
func (p *people) closed(ctx context.Context, chats []int64, callers int) run {
	r, notes := run{start: time.Now()}, make([]*note, len(chats))
	next := make(chan int, len(chats))
	for i := range chats {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range next {
				n := p.book.write(p.ids.Add(1), chats[i], time.Now())
				notes[i] = n
				p.post(ctx, n)
				p.book.await(ctx, []*note{n}, p.patience)
			}
		})
	}
	wg.Wait()
	r.over, r.notes = time.Now(), p.book.copy(notes)
	return r
}

// offer writes to each of chats, in this order, perSecond of them whatever comes back, and then waits for
// the answers.
func (p *people) offer(ctx context.Context, chats []int64, perSecond float64) run {
	r, notes := run{start: time.Now()}, make([]*note, len(chats))
	free := make(chan struct{}, most)
	var wg sync.WaitGroup
	for i, chat := range chats {
		due := r.start.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))
		until(due)
		n := p.book.write(p.ids.Add(1), chat, due)
		notes[i] = n
		free <- struct{}{}
		wg.Go(func() {
			p.post(ctx, n)
			<-free
		})
	}
	r.over = time.Now()
	wg.Wait()
	p.book.await(ctx, notes, p.patience)
	r.notes = p.book.copy(notes)
	return r
}

// until waits for a moment.
func until(at time.Time) {
	if d := time.Until(at); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		<-timer.C
	}
}

// post posts a message as Telegram does, and notes what the webhook says.
func (p *people) post(ctx context.Context, n *note) {
	update := fmt.Appendf(nil, `{"update_id":%d,"message":{"message_id":%d,"date":%d,"text":"how are you, msg%d","chat":{"id":%d,"type":"private","first_name":"a"},"from":{"id":%d,"is_bot":false,"first_name":"a"}}}`,
		n.id, n.id, n.due.Unix(), n.id, n.chat, sender)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(update))
	if err != nil {
		return // it counts as broken
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
	p.book.posted(n, time.Now())
	resp, err := p.client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	p.book.acknowledged(n, resp.StatusCode, time.Now())
}

// answered returns the milliseconds from when each accepted message was due to its reply. Due, and not
// posted: a sender that is held up by the target must not make it look faster.
func (r run) answered() []float64 {
	var all []float64
	for _, n := range r.notes {
		if n.accepted() && n.replies > 0 {
			all = append(all, ms(n.answered.Sub(n.due)))
		}
	}
	return all
}

// acked returns the milliseconds from when each accepted message was due to the webhook's answer.
func (r run) acked() []float64 {
	var all []float64
	for _, n := range r.notes {
		if n.accepted() {
			all = append(all, ms(n.acked.Sub(n.due)))
		}
	}
	return all
}

// late returns by how many milliseconds each message was posted too late.
func (r run) late() []float64 {
	all := make([]float64, len(r.notes))
	for i, n := range r.notes {
		all[i] = ms(n.sent.Sub(n.due))
	}
	return all
}

// perSecond is the rate of answers, from the first post to the last answer.
func (r run) perSecond() float64 {
	count, last := 0, time.Time{}
	for _, n := range r.notes {
		if n.accepted() && n.replies > 0 {
			count++
			if n.answered.After(last) {
				last = n.answered
			}
		}
	}
	return rate(count, last.Sub(r.start))
}

// offered is the rate of posts: the first one is at the start.
func (r run) offered() float64 { return rate(len(r.notes)-1, r.over.Sub(r.start)) }

// short says that the machine could not offer a rate, if that is so; a late sender makes bursts.
func (r run) short(perSecond float64) string {
	const late = 100 // ms
	offered, late99 := r.offered(), quantile(r.late(), .99)
	if offered >= .95*perSecond && late99 <= late {
		return ""
	}
	return fmt.Sprintf("this machine could not offer %.0f/s evenly: it was %.0f/s, p99 %.0f ms late", perSecond, offered, late99)
}

// times repeats each of chats, in an order that is mixed and always the same.
func times(chats []int64, n int) []int64 {
	all := make([]int64, 0, n*len(chats))
	for range n {
		all = append(all, chats...)
	}
	mix := rand.New(rand.NewPCG(1, uint64(len(chats))))
	mix.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// burst is how many messages a chat gets: as many as Telegram's pace of one a second lets through at once
// (core.telegram.org/bots/faq, and functions/adapters/telegram). With more, the pace would be measured.
const burst = 3

// crowd is how many chats are written to at the same time in an open load.
const crowd = 100

// spread returns n messages over chats, a crowd after another, burst to each chat. At 500 a second the
// messages of a chat come within 0.6 s, so that some meet an earlier one that is still answered.
func spread(chats []int64, n int) []int64 {
	var all []int64
	for len(chats) > 0 && len(all) < n {
		some := min(crowd, len(chats))
		all = append(all, times(chats[:some], burst)...)
		chats = chats[some:]
	}
	return all[:min(n, len(all))]
}

// chatsFor is how many chats spread needs for n messages.
func chatsFor(n int) int { return crowd * int(math.Ceil(float64(n)/(crowd*burst))) }
