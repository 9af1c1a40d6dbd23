// Command bench measures the way of a message, from Telegram's webhook to the delivered reply, beside a
// floor that does the same work in one net/http handler: the same durable acknowledgement, as many Redis
// round trips, the same model stub. Both are measured in alternating rounds of one run, on one machine that
// also runs the load, the stubs and Redis: the ratios carry over, the absolute numbers do not.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 3, "rounds of each variant")
	n := flag.Int("n", 1500, "messages of a throughput round")
	callers := flag.Int("c", 32, "messages in flight in a throughput round")
	single := flag.Int("single", 60, "messages of a latency round, one in flight")
	delay := flag.Duration("model", 50*time.Millisecond, "the model's time in a latency round")
	binary := flag.String("hearth", "bin/hearth", "the program to measure")
	flag.Parse()
	b := &bench{binary: *binary, rounds: *rounds, n: *n, callers: *callers, single: *single, delay: *delay}
	if err := b.run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	binary     string
	rounds     int
	n, callers int
	single     int
	delay      time.Duration
	dir        string
	world      *world
}

// variant is something that takes webhooks and answers them.
type variant struct {
	name  string
	start func(ctx context.Context) (*target, error)
}

// target is a started variant.
type target struct {
	url   string // of the webhook
	ready time.Duration
	pid   int
	stop  func() error
}

// result is what the rounds of a variant gave.
type result struct {
	perSecond, p50, p99, ackP50, ackP99 []float64
	added50, added99                    []float64
	ready, memory                       float64
}

func (b *bench) run(ctx context.Context, w io.Writer) error {
	path, err := filepath.Abs(b.binary)
	if err != nil {
		return err
	}
	b.binary = path
	if b.dir, err = os.MkdirTemp("", "hearth-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.world, err = newWorld(); err != nil {
		return err
	}
	defer b.world.close()
	variants := []variant{
		{"floor", b.startFloor},
		{"hearth, functions inline", func(ctx context.Context) (*target, error) { return b.startHearth(ctx, "trusted") }},
		{"hearth, a process each", func(ctx context.Context) (*target, error) { return b.startHearth(ctx, "none") }},
	}
	results := make([]result, len(variants))
	for round := range b.rounds {
		for i, v := range variants {
			fmt.Fprintf(os.Stderr, "round %d: %s\n", round+1, v.name)
			if err := b.measure(ctx, v, &results[i]); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
		}
	}
	b.print(w, variants, results)
	return nil
}

// measure runs one round of a variant.
func (b *bench) measure(ctx context.Context, v variant, r *result) error {
	t, err := v.start(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = t.stop() }()
	r.ready = t.ready.Seconds() * 1000
	b.world.setDelay(0)
	if _, err := b.world.load(t.url, 200, b.callers); err != nil { // warm up
		return err
	}
	got, err := b.world.load(t.url, b.n, b.callers)
	if err != nil {
		return err
	}
	r.perSecond = append(r.perSecond, float64(b.n)/got.took.Seconds())
	r.p50, r.p99 = append(r.p50, quantile(got.done, .5)), append(r.p99, quantile(got.done, .99))
	r.memory = memoryOf(t.pid)
	b.world.setDelay(b.delay)
	if got, err = b.world.load(t.url, b.single, 1); err != nil {
		return err
	}
	model := float64(b.delay) / float64(time.Millisecond)
	r.added50 = append(r.added50, quantile(got.done, .5)-model)
	r.added99 = append(r.added99, quantile(got.done, .99)-model)
	r.ackP50, r.ackP99 = append(r.ackP50, quantile(got.acked, .5)), append(r.ackP99, quantile(got.acked, .99))
	return nil
}

func (b *bench) print(w io.Writer, variants []variant, results []result) {
	fmt.Fprintf(w, "medians of %d rounds (least–most); %d messages with %d in flight and a model of 0 ms; then %d with 1 in flight and %v\n\n",
		b.rounds, b.n, b.callers, b.single, b.delay)
	fmt.Fprintf(w, "%-26s %-22s %-8s %-18s %-18s %-20s %-20s %-18s %-10s %s\n", "variant", "messages/s", "of floor", "p50 ms", "p99 ms",
		"added p50 ms (1)", "added p99 ms (1)", "ack p50 ms (1)", "start ms", "memory MB")
	floor := median(results[0].perSecond)
	for i, v := range variants {
		r := results[i]
		fmt.Fprintf(w, "%-26s %-22s %-8s %-18s %-18s %-20s %-20s %-18s %-10.0f %.0f\n", v.name, spread(r.perSecond, 0),
			fmt.Sprintf("%.0f %%", 100*median(r.perSecond)/floor), spread(r.p50, 1), spread(r.p99, 1),
			spread(r.added50, 1), spread(r.added99, 1), spread(r.ackP50, 2), r.ready, r.memory)
	}
}

func spread(values []float64, digits int) string {
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, median(values), digits, slices.Min(values), digits, slices.Max(values))
}

func median(values []float64) float64 { return quantile(values, .5) }

// quantile returns the q-th quantile of values, 0 for none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// memoryOf returns the resident memory of a process and its children, in MB; 0 for our own process.
func memoryOf(pid int) float64 {
	if pid == 0 {
		return 0
	}
	out, err := exec.Command("ps", "-o", "rss=,args=", "--pid", fmt.Sprint(pid), "--ppid", fmt.Sprint(pid)).Output()
	if err != nil {
		return 0
	}
	return sumMemory(string(out))
}

var quiet = slog.New(slog.DiscardHandler)
