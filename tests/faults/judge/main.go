// Command judge says whether the bundle kept its word. It reads what reached the world and what was
// acknowledged, and nothing that the bundle says of itself.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

func main() {
	dir := flag.String("dir", "", "where the records are")
	starve := flag.Duration("starve", 90*time.Second, "longest wait of a message for its answer, behind those before it, while the store took writes")
	lossy := flag.String("lossy", "", "RFC 3339: what was acknowledged before then may be lost or come twice: the disk lied")
	grace := flag.Duration("grace", 2*time.Second, "how long after a stop a call may come that was on its way")
	flag.Parse()
	v, err := judgeFolder(*dir, *starve, *grace, *lossy)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(v)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(2)
	case len(v.Violations) > 0:
		os.Exit(1)
	}
}

func judgeFolder(dir string, starve, grace time.Duration, lossy string) (record.Verdict, error) {
	sent, err1 := record.Read[record.Sent](filepath.Join(dir, record.SentFile))
	effects, err2 := record.Read[record.Effect](filepath.Join(dir, record.EffectFile))
	posted, err3 := record.Read[record.Posted](filepath.Join(dir, record.PostedFile))
	stops, err4 := record.Read[record.Stop](filepath.Join(dir, record.StopFile))
	outages, err5 := record.Read[record.Outage](filepath.Join(dir, record.OutageFile))
	j := &judge{outages: outages, starve: starve, grace: grace, stops: map[int64][]record.Stop{}, keys: map[string]*tally{}, Verdict: record.Verdict{Ends: map[string]int{}, Violations: []record.Violation{}}}
	var err6 error
	if lossy != "" {
		j.lossy, err6 = time.Parse(time.RFC3339Nano, lossy)
	}
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return j.Verdict, err
	}
	if len(posted) == 0 {
		return j.Verdict, fmt.Errorf("%s: nothing was posted, so there is nothing to judge", dir)
	}
	for _, s := range stops {
		j.stops[s.Chat] = append(j.stops[s.Chat], s)
	}
	for _, o := range outages {
		j.Outages = append(j.Outages, o.To.Sub(o.From).Milliseconds())
	}
	slices.Sort(j.Outages)
	j.judge(posted, sent, effects)
	return j.Verdict, nil
}

// judge is a verdict in the making.
type judge struct {
	record.Verdict
	starve  time.Duration
	grace   time.Duration
	lossy   time.Time
	keys    map[string]*tally
	stops   map[int64][]record.Stop // by chat
	replies map[string][]reply      // what people heard of stops, by run
	outages []record.Outage         // of the store
}

func (j *judge) broken(invariant, format string, args ...any) {
	j.Violations = append(j.Violations, record.Violation{Invariant: invariant, What: fmt.Sprintf(format, args...)})
}

// mayLose reports whether a message may have been lost by a disk that lied.
func (j *judge) mayLose(p record.Posted) bool { return p.Acked.Before(j.lossy) }

func (j *judge) judge(posted []record.Posted, sent []record.Sent, effects []record.Effect) {
	j.count(effects)
	chats := map[int64][]record.Posted{}
	for _, p := range posted {
		chats[p.Chat] = append(chats[p.Chat], p)
	}
	calls := map[int64][]record.Sent{}
	for _, s := range sent {
		calls[s.Chat] = append(calls[s.Chat], s)
	}
	j.replies = repliesOf(sent)
	for _, heard := range j.replies {
		if slices.ContainsFunc(heard, func(r reply) bool { return r.stopped }) {
			j.Stops++
		}
	}
	known := map[string]bool{}
	for chat, messages := range chats {
		if messages[0].Kind == record.Gone {
			j.parked(chat, messages, calls[chat])
			continue
		}
		j.Messages += len(messages)
		slices.SortStableFunc(messages, func(a, b record.Posted) int { return a.Acked.Compare(b.Acked) })
		for _, run := range j.chat(chat, messages, calls[chat]) {
			known[run] = true
		}
	}
	for _, t := range j.keys {
		if !known[t.run] && j.lossy.IsZero() {
			j.broken("I2", "an effect under %s, and nobody was told of its run", t.key)
		}
	}
	slices.Sort(j.Waits)
	slices.SortFunc(j.Violations, func(a, b record.Violation) int {
		return cmp.Or(cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.What, b.What))
	})
}

// parked judges a chat whose person has left: the platform is not asked again and again.
func (j *judge) parked(chat int64, messages []record.Posted, calls []record.Sent) {
	if most := 3 * len(messages); len(calls) > most {
		j.broken("I4", "chat %d, which is closed: %d calls for %d messages", chat, len(calls), len(messages))
	}
}
