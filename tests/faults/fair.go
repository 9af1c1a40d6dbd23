package faults

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// Delay is how long answers took.
type Delay struct{ P50, P99 time.Duration }

// Fair is what a hot chat does to others (F15).
type Fair struct {
	Alone, Beside Delay
	Accepted      int // of the hot chat's messages; the rest was refused, because its inbox was full
}

// Ratio is how many times slower the slowest one in a hundred of the quiet answers got.
func (f Fair) Ratio() float64 {
	return float64(f.Beside.P99) / float64(max(f.Alone.P99, time.Millisecond))
}

// There are so many quiet chats, each of which says so many things, one at a time.
const quietChats, quietWords = 100, 3

// Fairness measures quiet chats, first alone and then beside one that says hot messages as fast as it can.
func Fairness(ctx context.Context, c *Cluster, hot int) (Fair, error) {
	var f Fair
	for range 2 { // the first warms everything up
		var err error
		if f.Alone, err = c.quietRound(ctx); err != nil {
			return f, err
		}
	}
	var accepted atomic.Int64
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, 1)
	go func() { errs <- c.hotChat(stop, hot, &accepted) }()
	var err error
	if f.Beside, err = c.quietRound(ctx); err != nil {
		return f, err
	}
	if err := <-errs; err != nil {
		return f, err
	}
	f.Accepted = int(accepted.Load())
	return f, c.Quiet(ctx, 5*time.Minute)
}

// hotChat says so many things in one chat, as fast as they are taken. A refused one is not said again.
func (c *Cluster) hotChat(ctx context.Context, n int, accepted *atomic.Int64) error {
	chat := nextChat()
	return Each(n, 1, func(int) error {
		p := posting(chat, "")
		status, err := c.webhook(ctx, c.update(chat, "Tell me about "+p.Mark), c.secrets["telegram-webhook-secret"])
		if status == http.StatusTooManyRequests {
			return nil
		}
		if err != nil {
			return err
		}
		accepted.Add(1)
		p.Acked = time.Now()
		return c.posted.Append(p)
	})
}

// quietRound lets the quiet chats talk, spread over ten seconds, and returns how long their answers took.
func (c *Cluster) quietRound(ctx context.Context) (Delay, error) {
	const lasts = 10 * time.Second
	var chats [quietChats]int64
	for i := range chats {
		chats[i] = nextChat()
	}
	var mu sync.Mutex
	marks := map[string]time.Time{}
	begin := time.Now()
	err := Each(quietChats*quietWords, quietChats, func(i int) error {
		if err := sleep(ctx, time.Until(begin.Add(lasts*time.Duration(i)/(quietChats*quietWords)))); err != nil {
			return err
		}
		p := posting(chats[i%quietChats], "")
		mu.Lock()
		marks[p.Mark] = time.Now()
		mu.Unlock()
		return c.Say(ctx, p, "", 1)
	})
	if err != nil {
		return Delay{}, err
	}
	var took []time.Duration
	err = poll(ctx, 100*time.Millisecond, func() error {
		took, err = c.answered(marks)
		if err == nil && len(took) < len(marks) {
			err = errCut // some are missing yet
		}
		return err
	})
	if err != nil {
		return Delay{}, err
	}
	return Delay{took[len(took)/2], took[len(took)*99/100]}, nil
}

// answered returns how long after they were said messages were answered, sorted.
func (c *Cluster) answered(marks map[string]time.Time) ([]time.Duration, error) {
	sent, err := record.Read[record.Sent](filepath.Join(c.Dir, record.SentFile))
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for _, s := range sent {
		for _, mark := range marked.FindAllString(s.Text, -1) {
			if at, ok := marks[mark]; ok {
				took = append(took, s.At.Sub(at))
			}
		}
	}
	return slices.Sorted(slices.Values(took)), nil
}
