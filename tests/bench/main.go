// Command bench measures the way of a message, from Telegram's webhook to the delivered reply, beside a
// floor that does the same work in one net/http handler: the same durable acknowledgement, as many Redis
// round trips, the same model stub. All variants are measured in alternating rounds of one run, on one machine
// that also runs the load, the stubs and Redis: the ratios carry over, the absolute numbers do not.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == floorVerb {
		exit(runFloor())
		return
	}
	b := &bench{}
	flag.StringVar(&b.binary, "hearth", "bin/hearth", "the program to measure")
	flag.StringVar(&b.only, "only", "", "these scenarios, with commas between them, instead of the usual ones: "+strings.Join(names(scenarios), ", "))
	flag.IntVar(&b.rounds, "rounds", 0, "rounds of each variant; 0 is each scenario's own number")
	flag.IntVar(&b.n, "n", 1000, "messages of a closed load")
	flag.IntVar(&b.callers, "c", 32, "messages in flight in a closed load")
	flag.IntVar(&b.single, "single", 60, "messages one after another, for latency")
	flag.Float64Var(&b.rate, "rate", 500, "messages a second that an open load offers")
	flag.DurationVar(&b.open, "open", 3*time.Second, "how long an open load offers them")
	flag.DurationVar(&b.delay, "model", 50*time.Millisecond, "the model's time, where there is any")
	flag.DurationVar(&b.patience, "patience", time.Minute, "after which an accepted message without a reply is lost")
	flag.IntVar(&b.runs, "runs", 100, "runs of a task with an effect")
	flag.StringVar(&b.output, "o", "table", "table or json")
	flag.Parse()
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	exit(b.run(ctx, os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of this program.
type bench struct {
	binary, only, output string
	rounds, n, callers   int
	single, runs         int
	rate                 float64
	open, delay          time.Duration
	patience             time.Duration

	self, dir string // this program, and a folder that is removed at the end
	world     *world
	client    *http.Client
	ids       atomic.Int64 // of messages
	lastChat  int64
}

func (b *bench) run(ctx context.Context, w io.Writer) (err error) {
	chosen, err := choose(scenarios, b.only)
	if err != nil {
		return err
	}
	out, err := newReport(w, b.output)
	if err != nil {
		return err
	}
	if b.binary, err = filepath.Abs(b.binary); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "hearth-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.world, err = newWorld(); err != nil {
		return err
	}
	defer b.world.close()
	b.client = newClient(b.patience)
	for _, s := range chosen {
		rows, err := b.measure(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := out.add(s, rows); err != nil {
			return err
		}
	}
	return out.end()
}

// chats returns so many chats that nobody has written to yet.
func (b *bench) chats(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		b.lastChat++
		all[i] = 1000 + b.lastChat
	}
	return all
}
