package channel

import (
	"fmt"
	"testing"
	"time"
)

func TestPacer(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rate := Rate{Every: time.Second, Burst: 3}
	p := newPacer()
	take := func(key string, at time.Duration, most time.Duration) string {
		wait, ok := p.take(key, rate, start.Add(at), most)
		return fmt.Sprint(wait, ok)
	}
	for i, step := range []struct {
		key      string
		at, most time.Duration
		want     string
	}{
		{"a", 0, 0, "0s true"},
		{"a", 0, 0, "0s true"},
		{"a", 0, 0, "0s true"},
		{"a", 0, time.Minute, "1s true"},
		{"a", 0, time.Second, "2s false"}, // books nothing
		{"a", 0, time.Minute, "2s true"},
		{"b", 0, 0, "0s true"},
		{"a", time.Hour, 0, "0s true"},
	} {
		if got := take(step.key, step.at, step.most); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	p.block("b", rate, start, 10*time.Second)
	if got := take("b", time.Second, time.Minute); got != "9s true" {
		t.Errorf("blocked: %s", got)
	}
}

func TestPacerForgets(t *testing.T) {
	p, now := newPacer(), time.Now()
	for i := range maxPaced + 10 {
		p.take(fmt.Sprint(i), Rate{Every: time.Second}, now.Add(time.Duration(i)*time.Minute), 0)
	}
	if len(p.next) > maxPaced {
		t.Errorf("%d places", len(p.next))
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1000: 30 * time.Second} {
		if got := backoff(failures); got < want/2 || got > want {
			t.Errorf("%d: %v, want at most %v", failures, got, want)
		}
	}
}
