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
	stopTold = regexp.MustCompile(`^已停止：`)
	anyRun   = regexp.MustCompile(`\br[0-9a-f]{2}-[a-z2-7]+`)
)

// stopsTold returns the runs of which people were told that they are stopped.
func stopsTold(sent []record.Sent) map[string]bool {
	told := map[string]bool{}
	for _, s := range sent {
		text := html.UnescapeString(tags.ReplaceAllString(s.Text, ""))
		first, _, _ := strings.Cut(text, "\n")
		if !s.Shown || !stopTold.MatchString(first) {
			continue
		}
		for _, run := range anyRun.FindAllString(first, -1) {
			told[run] = true
		}
	}
	return told
}

// stopOf returns when a stop was acknowledged that a message, or its run, had to heed; zero for never. One of the
// chat is for all that was acknowledged before somebody asked for it.
func (j *judge) stopOf(p record.Posted, run string) time.Time {
	var first time.Time
	for _, s := range j.stops[p.Chat] {
		chats := s.Run == "" && !p.Acked.After(s.Asked)
		ours := run != "" && s.Run == run && j.told[run]
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
