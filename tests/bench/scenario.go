package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
)

// scenario is one thing to measure.
type scenario struct {
	name, about string
	variants    []variant
	rounds      int    // unless a flag says otherwise
	asked       bool   // it runs only when it is asked for by name
	ratio       string // the column that is also given as a share of the first variant's
	columns     []column
	round       func(ctx context.Context, b *bench, v variant) (sample, error)
}

// column is a value that each round of a scenario gives.
type column struct {
	name   string
	digits int
}

// sample is what a round gave.
type sample struct {
	values map[string]float64 // by column
	tally  tally
	notes  []string // what a reader has to know
}

// row is what the rounds of a variant gave.
type row struct {
	variant string
	values  map[string][]float64
	tally   tally
	notes   []string
}

// scenarios are all there are, in the order in which they run.
var scenarios = []scenario{
	messageScenario, openScenario, fullScenario,
	sessionScenario(100, false), sessionScenario(10_000, false), sessionScenario(1_000_000, true),
	saturationScenario, costScenario, effectScenario,
}

func names(all []scenario) []string {
	list := make([]string, len(all))
	for i, s := range all {
		list[i] = s.name
	}
	return list
}

// choose returns the scenarios of a list of names with commas between them, or the usual ones for no list.
func choose(all []scenario, only string) ([]scenario, error) {
	var chosen []scenario
	if only == "" {
		for _, s := range all {
			if !s.asked {
				chosen = append(chosen, s)
			}
		}
		return chosen, nil
	}
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(names(all), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// measure runs the rounds of a scenario, its variants in turn, so that what else the machine does meets all
// of them.
func (b *bench) measure(ctx context.Context, s scenario) ([]row, error) {
	rounds := s.rounds
	if b.rounds > 0 {
		rounds = b.rounds
	}
	rows := make([]row, len(s.variants))
	for round := range rounds {
		for i, v := range s.variants {
			fmt.Fprintf(os.Stderr, "%s %d/%d: %s\n", s.name, round+1, rounds, v.name)
			got, err := s.round(ctx, b, v)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, err)
			}
			rows[i].variant = v.name
			rows[i].add(got)
		}
	}
	return rows, nil
}

func (r *row) add(s sample) {
	if r.values == nil {
		r.values = map[string][]float64{}
	}
	for name, value := range s.values {
		r.values[name] = append(r.values[name], value)
	}
	r.tally.add(s.tally)
	for _, note := range s.notes {
		if note != "" && !slices.Contains(r.notes, note) {
			r.notes = append(r.notes, note)
		}
	}
}

// on runs a round on a fresh target, and counts at its end what became of all its messages.
func (b *bench) on(ctx context.Context, v variant, f filling, round func(t *target, s *sample) error) (sample, error) {
	s := sample{values: map[string]float64{}}
	t, err := b.start(ctx, v, f)
	if err != nil {
		return s, err
	}
	if err := round(t, &s); err != nil {
		_ = t.stop()
		return s, err
	}
	if err := t.stop(); err != nil {
		return s, fmt.Errorf("its end: %w", err)
	}
	messages := t.book.tally()
	s.tally.add(messages)
	if messages.Odd > 0 {
		s.notes = append(s.notes, "some replies answered no message")
	}
	return s, nil
}

// warm lets a target do what it does only once.
func (b *bench) warm(ctx context.Context, t *target) {
	b.world.setDelay(0)
	t.closed(ctx, b.chats(200), b.callers)
}
