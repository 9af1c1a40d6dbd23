package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/tests/faults/record"
)

var dawn = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

// story is what happened, written a line at a time: "say m1x", "run m2x", "shows 7 TEXT", "do KEY", "undo KEY",
// "refused KEY" for a call that the backend did not carry out.
// "away" and "back" bound an outage of the store. "stop" stops the chat, "stop RUN" a run; "steps m1x" is a run of four: s2 and s3 need s1, s4 needs both. A line takes a second.
type story struct {
	t      *testing.T
	dir    string
	clock  time.Time
	number int64
	logs   map[string]*record.Log
	away   time.Time // when the store went
}

func tell(t *testing.T, lines ...string) *story {
	s := &story{t: t, dir: t.TempDir(), clock: dawn, logs: map[string]*record.Log{}}
	for _, name := range []string{record.SentFile, record.EffectFile, record.PostedFile, record.StopFile, record.OutageFile} {
		log, err := record.Open(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = log.Close() }) // what counts is on the disk
		s.logs[name] = log
	}
	for _, line := range lines {
		s.clock = s.clock.Add(time.Second)
		s.line(line)
	}
	return s
}

func (s *story) line(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "say", "run", "gone":
		mark, expect, _ := strings.Cut(rest, " ")
		s.write(record.PostedFile, record.Posted{Chat: 1, Mark: mark, Kind: verb, Expect: expect, Acked: s.clock})
	case "starts": // a run that is known beforehand
		mark, run, _ := strings.Cut(rest, " ")
		s.write(record.PostedFile, record.Posted{Chat: 1, Mark: mark, Kind: record.Run, Run: run, Acked: s.clock})
	case "steps", "undo-me":
		s.write(record.PostedFile, record.Posted{Chat: 1, Mark: rest, Kind: record.Run, Acked: s.clock, Undo: verb == "undo-me", Needs: map[string][]string{
			"s2": {"s1"}, "s3": {"s1"}, "s4": {"s2", "s3"},
		}})
	case "stop": // it was asked for half a second ago, or before the line that answers it
		asked := s.clock.Add(-500 * time.Millisecond)
		if rest != "" {
			asked = asked.Add(-time.Second)
		}
		s.write(record.StopFile, record.Stop{Chat: 1, Run: rest, Asked: asked, Acked: s.clock})
	case "away":
		s.away = s.clock
	case "back":
		s.write(record.OutageFile, record.Outage{From: s.away, To: s.clock})
	case "wait":
		s.clock = s.clock.Add(time.Hour)
	case "shows", "edits", "hides":
		s.number++
		id := s.number
		if verb == "edits" {
			id = 1
		}
		s.write(record.SentFile, record.Sent{At: s.clock, Chat: 1, Message: id, Text: rest, Shown: verb != "hides"})
	case "do", "undo", "refused":
		op := verb
		if op == "refused" {
			op = "do"
		}
		s.write(record.EffectFile, record.Effect{At: s.clock, Key: rest, Op: op, Kind: "apply", Applied: op == verb})
	default:
		s.t.Fatalf("no such line: %s", line)
	}
}

func (s *story) write(file string, line any) {
	if err := s.logs[file].Append(line); err != nil {
		s.t.Fatal(err)
	}
}

const (
	again    = "\n\n<i>(you may have got this before)</i>"
	plan     = "shows <b>Plan</b>\n\nRun <code>r01-aaaaaaaaaa</code>"
	done     = "shows <b>Done: plain</b>\n\nRun <code>r01-aaaaaaaaaa</code>"
	doubt    = "shows <b>Stopped: a person has to look at this: plain</b>\n\nRun <code>r01-aaaaaaaaaa</code>"
	back     = "shows <b>Failed and rolled back: plain</b>\n\nRun <code>r01-aaaaaaaaaa</code>"
	hushes   = "shows Stopped."
	told     = "shows 已停止：<code>r01-aaaaaaaaaa</code>"
	tooSoon  = "shows 没有成功：no such run: r01-aaaaaaaaaa (next: hearth runs list)"
	halt     = "stop r01-aaaaaaaaaa"
	halted   = "shows <b>Stopped on request: plain</b>\n\nRun <code>r01-aaaaaaaaaa</code> · hearth runs undo r01-aaaaaaaaaa"
	noOffer  = "shows <b>Stopped on request: plain</b>\n\nRun <code>r01-aaaaaaaaaa</code>"
	takenOff = "shows <b>Undone: plain</b>\n\nRun <code>r01-aaaaaaaaaa</code>"

	key = "r01-aaaaaaaaaa/s1/0"

	do1, do2, do3, do4 = "do " + key, "do r01-aaaaaaaaaa/s2/0", "do r01-aaaaaaaaaa/s3/0", "do r01-aaaaaaaaaa/s4/0"
	un1, un2, un3, un4 = "un" + do1, "un" + do2, "un" + do3, "un" + do4
)

func says(mark string) string { return "shows You said " + mark + ". That was all." }

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		want  string // of the invariants, one letter pair each
		story []string
	}{
		"answers in order":          {"", []string{"say m1x", "say m2x", says("m1x"), says("m2x")}},
		"out of order":              {"I3", []string{"say m1x", "say m2x", says("m2x"), says("m1x")}},
		"no answer":                 {"I1", []string{"say m1x", "say m2x", says("m1x")}},
		"not shown is no answer":    {"I1", []string{"say m1x", "hides You said m1x. That was all."}},
		"half an answer":            {"I1", []string{"say m1x", "shows You said m1x."}},
		"twice":                     {"I1", []string{"say m1x", says("m1x"), says("m1x")}},
		"twice, with a warning":     {"", []string{"say m1x", says("m1x"), says("m1x") + again}},
		"the warning first":         {"", []string{"say m1x", says("m1x") + again, says("m1x")}},
		"a draft that grows":        {"", []string{"say m1x", "shows You said", "edits You said m1x. That was all.", "edits You said m1x. That was all."}},
		"to nobody":                 {"I1", []string{"say m1x", says("m1x"), says("m9x")}},
		"an apology":                {"", []string{"say m1x", `shows Sorry: your message "Tell me about m1x" could not be answered`}},
		"the model's silence":       {"", []string{"say m1x", "say m2x", "shows The model does not answer: busy", says("m2x")}},
		"late":                      {"I4", []string{"say m1x", "wait", says("m1x")}},
		"late behind a late one":    {"I4", []string{"say m1x", "say m2x", "wait", says("m1x"), says("m2x")}},
		"late, with the store away": {"", []string{"say m1x", "away", "wait", "back", says("m1x")}},
		"late beside an outage":     {"I4", []string{"away", "wait", "back", "say m1x", "wait", says("m1x"), "away", "wait", "back"}},
		"who has left":              {"", []string{"gone m1x", "hides a", "hides b"}},
		"who has left, and again":   {"I4", []string{"gone m1x", "hides a", "hides b", "hides c", "hides d"}},
		"a run":                     {"", []string{"run m1x", plan, "do " + key, done}},
		"a run without an end":      {"I1", []string{"run m1x", plan, "do " + key}},
		"a run with two ends":       {"I1", []string{"run m1x", plan, "do " + key, done, doubt}},
		"a run that ended twice":    {"I1", []string{"run m1x", plan, "do " + key, done, done}},
		"done, without an effect":   {"I2", []string{"run m1x", plan, done}},
		"done twice":                {"I2 I2", []string{"run m1x", plan, "do " + key, "do " + key, done}},
		"rolled back":               {"", []string{"run m1x", plan, "do " + key, "undo " + key, back}},
		"rolled back in word":       {"I2", []string{"run m1x", plan, "do " + key, back}},
		"taken back, and done":      {"I2", []string{"run m1x", plan, "do " + key, "undo " + key, done}},
		"doubt":                     {"", []string{"run m1x", plan, "do " + key, doubt}},
		"doubt without a reason":    {"I2", []string{"run m1x Done", plan, "do " + key, doubt}},
		"doubt, and done twice":     {"I2", []string{"run m1x", plan, "do " + key, "do " + key, doubt}},
		"an effect of nobody's run": {"I2", []string{"say m1x", says("m1x"), "do " + key}},

		"stopped":                        {"", []string{"say m1x", "stop", hushes, "say m2x", says("m2x")}},
		"stopped in the middle":          {"", []string{"say m1x", "stop", hushes[:6] + "You said m1x.\n\nStopped."}},
		"stopped, and repeated":          {"", []string{"say m1x", "stop", hushes, hushes + again}},
		"both stopped, one seen late":    {"", []string{"say m1x", "say m2x", "stop", hushes, hushes + again}},
		"stopped, repeated, answered":    {"", []string{"say m1x", "say m2x", "stop", hushes, hushes + again, says("m2x")}},
		"stopped, seen late, answered":   {"", []string{"say m1x", "say m2x", "stop", hushes + again, says("m2x")}},
		"one of two has no answer":       {"I1", []string{"say m1x", "say m2x", "stop", hushes}},
		"stopped, and no answer":         {"I1", []string{"say m1x", "stop", "shows 已停止。"}},
		"stopped twice":                  {"I1", []string{"say m1x", "stop", hushes, hushes}},
		"stopped twice, then more":       {"I1", []string{"say m1x", "stop", hushes, hushes, "say m2x", says("m2x"), "starts m3x r01-aaaaaaaaaa", plan, do1, done}},
		"stopped, and answered":          {"I1", []string{"say m1x", "stop", hushes, says("m1x")}},
		"stopped by nobody":              {"I1 I1", []string{"say m1x", hushes}},
		"said after the stop":            {"I1 I1", []string{"say m1x", "stop", says("m1x"), "say m2x", hushes}},
		"a run is stopped":               {"", []string{"steps m1x", plan, do1, told, halt, halted}},
		"one on its way":                 {"", []string{"steps m1x", plan, do1, told, halt, do2, do3, halted}},
		"one more begins":                {"I2", []string{"steps m1x", plan, told, halt, do1, do2, halted}},
		"one begins much later":          {"I2", []string{"steps m1x", plan, told, halt, "wait", do1, halted}},
		"one is tried again":             {"I2", []string{"steps m1x", plan, told, halt, "refused " + key, do1, halted}},
		"nobody was told of the stop":    {"", []string{"steps m1x", plan, halt, do1, do2, "wait", do3, do4, done}},
		"the chat is stopped, a run too": {"I2", []string{"steps m1x", plan, "stop", do1, do2, halted}},
		"a run after the stop":           {"", []string{"stop", "steps m1x", plan, do1, do2, do3, do4, done}},
		"the run of the message":         {"", []string{"starts m1x r01-aaaaaaaaaa", plan, do1, done}},
		"the run of another message":     {"I1 I1", []string{"starts m1x r01-bbbbbbbbbb", plan}},
		"stopped before it began":        {"", []string{"steps m1x", tooSoon, halt, plan, do1, do2, do3, do4, done}},
		"before it began, and again":     {"I2", []string{"steps m1x", tooSoon, halt, plan, told, halt, do1, do2, halted}},
		"before it began, then all":      {"", []string{"steps m1x", tooSoon, halt, plan, do1, do2, told, halted}},
		"stopped, and no way back":       {"I2", []string{"steps m1x", plan, do1, told, halt, noOffer}},
		"stopped, and nothing to undo":   {"", []string{"steps m1x", plan, told, halt, noOffer}},
		"stopped and undone":             {"", []string{"undo-me m1x", plan, do1, told, halt, halted, un1, takenOff}},
		"stopped and undone in word":     {"I2", []string{"undo-me m1x", plan, do1, told, halt, halted, takenOff}},

		"steps in order":                {"", []string{"steps m1x", plan, do1, do3, do2, do4, done}},
		"a step too early":              {"I3", []string{"steps m1x", plan, do1, do2, do4, do3, done}},
		"the first step last":           {"I3 I3 I3", []string{"steps m1x", plan, do2, do3, do4, do1, done}},
		"a step that asked too early":   {"I3", []string{"steps m1x", plan, do1, do2, "refused r01-aaaaaaaaaa/s4/0", do3, do4, done}},
		"a step without what it needs":  {"I3", []string{"steps m1x", plan, do1, "refused r01-aaaaaaaaaa/s2/0", do3, do4, doubt}},
		"back in order":                 {"", []string{"steps m1x", plan, do1, do2, do3, do4, un4, un2, un3, un1, back}},
		"back, a part of it":            {"", []string{"steps m1x", plan, do1, do2, do3, un3, un1, doubt}},
		"the oldest back first":         {"I3 I3", []string{"steps m1x", plan, do1, do2, do3, un1, un3, un2, back}},
		"the oldest back before others": {"I3", []string{"steps m1x", plan, do1, do2, do3, do4, un3, un4, un2, un1, back}},
		"forward after back":            {"I3", []string{"steps m1x", plan, do1, do2, un2, un1, do3, "undo r01-aaaaaaaaaa/s3/0", back}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := judgeFolder(tell(t, c.story...).dir, time.Minute, 2*time.Second, "")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, violation := range v.Violations {
				got = append(got, violation.Invariant)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("want %q: %+v", c.want, v.Violations)
			}
		})
	}
}

// TestLossy forgives what was acknowledged before the disk lied, and nothing later.
func TestLossy(t *testing.T) {
	s := tell(t, "say m1x", "say m2x", says("m1x"), says("m1x"), "say m3x", "say m4x", says("m4x"))
	v, err := judgeFolder(s.dir, time.Minute, 2*time.Second, dawn.Add(3*time.Second).Format(time.RFC3339Nano))
	if err != nil {
		t.Fatal(err)
	}
	if v.Lost != 1 || v.Twice != 1 || len(v.Violations) != 1 || !strings.Contains(v.Violations[0].What, "m3x") {
		t.Errorf("%+v", v)
	}
}

func TestNothingIsNoVerdict(t *testing.T) {
	if _, err := judgeFolder(t.TempDir(), time.Minute, 2*time.Second, ""); err == nil {
		t.Error("a folder without records is judged")
	}
}

// TestWaits counts from the acknowledgement, or from the answer before.
func TestWaits(t *testing.T) {
	v, err := judgeFolder(tell(t, "say m1x", "say m2x", says("m1x"), "say m3x", says("m2x"), says("m3x")).dir, time.Minute, 2*time.Second, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprint([]int64{1000, 2000, 2000}); fmt.Sprint(slices.Clone(v.Waits)) != want {
		t.Errorf("%v, want %s", v.Waits, want)
	}
}
