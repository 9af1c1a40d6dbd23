package main

import (
	"html"
	"regexp"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

// Stops are asked for in Chinese, so that what the bundle says to one is told from the answers that were stopped.
var (
	stopTold    = regexp.MustCompile(`^已停止：`)
	stopRefused = regexp.MustCompile(`^没有成功：no such run: `) // it had not begun when somebody said stop to it
	anyRun      = regexp.MustCompile(`\br[0-9a-f]{2}-[a-z2-7]+`)
)

// reply is what people heard of a stop of a run.
type reply struct {
	at      time.Time
	stopped bool
}

// repliesOf returns what people heard of stops, by run.
func repliesOf(sent []record.Sent) map[string][]reply {
	all := map[string][]reply{}
	for _, s := range sent {
		text := html.UnescapeString(tags.ReplaceAllString(s.Text, ""))
		first, _, _ := strings.Cut(text, "\n")
		stopped := stopTold.MatchString(first)
		if !s.Shown || !stopped && !stopRefused.MatchString(first) {
			continue
		}
		for _, run := range anyRun.FindAllString(first, -1) {
			all[run] = append(all[run], reply{s.At, stopped})
		}
	}
	return all
}

// heeded reports whether people were told, first after they asked for it, that a run is stopped.
func (j *judge) heeded(s record.Stop) bool {
	for _, r := range j.replies[s.Run] {
		if !r.at.Before(s.Asked) {
			return r.stopped
		}
	}
	return false
}

// stopOf returns when a stop was acknowledged that a message, or its run, had to heed; zero for never. One of the
// chat is for all that was acknowledged before somebody asked for it.
func (j *judge) stopOf(p record.Posted, run string) time.Time {
	var first time.Time
	for _, s := range j.stops[p.Chat] {
		chats := s.Run == "" && !p.Acked.After(s.Asked)
		ours := run != "" && s.Run == run && j.heeded(s)
		if (chats || ours) && (first.IsZero() || s.Acked.Before(first)) {
			first = s.Acked
		}
	}
	return first
}

// halted judges that no effect of a run began after its stop was acknowledged. What had begun may still arrive, for
// a while: once for each step, and of no two steps of which one needs the other.
func (j *judge) halted(p record.Posted, run string) {
	stop := j.stopOf(p, run)
	if stop.IsZero() {
		return
	}
	late := map[string]bool{}
	for _, t := range j.keys {
		if t.run == run && t.after(stop) > 0 {
			late[t.step] = true
		}
	}
	for _, t := range j.keys {
		if t.run != run || !late[t.step] {
			continue
		}
		last := t.calls[len(t.calls)-1].Sub(stop)
		if n := t.after(stop); n > 1 || last > j.grace {
			j.broken("I2", "run %s of %s: %d calls for the effect under %s after the stop, the last %s later", run, p.Mark, n, t.key, last.Round(time.Millisecond))
		}
		for need := range allNeeds(p.Needs, t.step) {
			if late[need] {
				j.broken("I2", "run %s of %s: after the stop came the effects of %s and of %s, which needs it", run, p.Mark, need, t.step)
			}
		}
	}
}

// after counts the calls to do it after a time.
func (t *tally) after(stop time.Time) int {
	n := 0
	for _, at := range t.calls {
		if at.After(stop) {
			n++
		}
	}
	return n
}
