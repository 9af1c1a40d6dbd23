package ledger_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
)

// storm is many callers that have messages accepted, each repeating one that was refused, as platforms do.
type storm struct {
	t    *testing.T
	l    *ledger.Ledger
	into []ledger.Lane // each of a partition of its own: nobody answers, and a partition that is late takes nothing
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	acked   map[string]int64 // key → its number
	refused int
	last    error // of a refusal
}

// blow starts a storm, which ends with calm or with the test.
func blow(t *testing.T, l *ledger.Ledger, writers int) *storm {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &storm{t: t, l: l, stop: stop, acked: map[string]int64{}}
	taken := map[ledger.Lane]bool{}
	for i := 0; len(s.into) < 200; i++ {
		if lane := l.Session("storm", fmt.Sprint(i)); !taken[lane[:3]] {
			taken[lane[:3]] = true
			s.into = append(s.into, lane)
		}
	}
	for w := range writers {
		s.work.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for i := 0; s.write(ctx, tick, fmt.Sprintf("w%d-%d", w, i)); i++ {
			}
		})
	}
	t.Cleanup(s.calm)
	return s
}

func (s *storm) message(key string) ledger.Message {
	lane := s.into[crc32.ChecksumIEEE([]byte(key))%uint32(len(s.into))]
	return ledger.Message{Lane: lane, Key: key, Body: []byte(key)}
}

// write repeats a message until it is accepted. It reports false when the storm is over.
func (s *storm) write(ctx context.Context, tick *time.Ticker, key string) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		// Not under the storm's context: calm lets the last one be answered, or the server's end does.
		got, err := s.l.Accept(context.WithoutCancel(ctx), s.message(key))
		s.mu.Lock()
		if err == nil {
			s.acked[key] = got.Seq
			s.mu.Unlock()
			return true
		}
		s.refused, s.last = s.refused+1, err
		s.mu.Unlock()
		if !fault.Is(err, fault.Unavailable) {
			s.t.Errorf("%s is refused as %s: %v", key, fault.KindOf(err), err)
			return false
		}
	}
}

// counts returns how many messages were acknowledged, and how often one was refused.
func (s *storm) counts() (acked, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked), s.refused
}

// more waits until so many more were acknowledged and refused.
func (s *storm) more(acked, refused int) {
	s.t.Helper()
	a, r := s.counts()
	until(s.t, "the storm goes on", func(context.Context) error {
		nowA, nowR := s.counts()
		if nowA < a+acked || nowR < r+refused {
			s.mu.Lock()
			defer s.mu.Unlock()
			return fmt.Errorf("%d more acknowledged, %d more refused, the last one for: %v", nowA-a, nowR-r, s.last)
		}
		return nil
	})
}

// calm ends the storm.
func (s *storm) calm() {
	s.stop()
	s.work.Wait()
}

// lost asks a store again for each acknowledged message, and counts those that it does not know.
func (s *storm) lost(l *ledger.Ledger) int {
	s.t.Helper()
	lost := 0
	for key, seq := range s.acked {
		got, err := l.Accept(s.t.Context(), s.message(key))
		if err != nil {
			s.t.Fatalf("%s again: %v", key, err)
		}
		if !got.Duplicate || got.Seq != seq {
			lost++
		}
	}
	return lost
}

// until polls a condition until it holds, or fails the test.
func until(t *testing.T, what string, holds func(context.Context) error) {
	t.Helper()
	if err := redisdtest.Until(what, holds); err != nil {
		t.Fatal(err)
	}
}

// must fails the test for an error of breaking something.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
