package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ, which is 100 on Linux (time(7)).
const tick = 10 * time.Millisecond

// watchEvery is how often the memory of a process is looked at.
const watchEvery = 250 * time.Millisecond

// process is a line of /proc: one process as the kernel counts it.
type process struct {
	pid, parent int
	cpu         time.Duration // its own, and that of children which ended
	rss         float64       // resident memory in MB, with pages that it shares with others
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)): the name may hold anything, so fields are counted from
// behind it.
func parseStat(raw string) (process, error) {
	open, end := strings.IndexByte(raw, '('), strings.LastIndexByte(raw, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("no process name in %.80q", raw)
	}
	fields := strings.Fields(raw[end+1:]) // from field 3 on
	if len(fields) < 22 {
		return process{}, fmt.Errorf("%d fields in %.80q", len(fields), raw)
	}
	var err error
	number := func(field int) int64 {
		n, bad := strconv.ParseInt(fields[field-3], 10, 64)
		if bad != nil {
			err = bad
		}
		return n
	}
	p := process{parent: int(number(4)), cpu: time.Duration(number(14)+number(15)+number(16)+number(17)) * tick}
	p.rss = float64(number(24)) * float64(os.Getpagesize()) / (1 << 20)
	if err == nil {
		p.pid, err = strconv.Atoi(strings.TrimSpace(raw[:open]))
	}
	return p, err
}

// tree returns a process and its descendants; none where there is no /proc.
func tree(root int) []process {
	names, _ := filepath.Glob("/proc/[0-9]*/stat") // only a malformed pattern is an error
	children, found := map[int][]process{}, []process(nil)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		p, err := parseStat(string(raw))
		if err != nil {
			continue
		}
		if p.pid == root {
			found = append(found, p)
		}
		children[p.parent] = append(children[p.parent], p)
	}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	return found
}

// usage is what a process and its descendants used so far, and their memory now: NaN where nothing is known.
func usage(root int) (cpu, rss float64) {
	all := tree(root)
	if len(all) == 0 {
		return math.NaN(), math.NaN()
	}
	for _, p := range all {
		cpu += ms(p.cpu)
		rss += p.rss
	}
	return cpu, rss
}

// spent is what a load took of the machine.
type spent struct {
	service, store float64 // CPU in ms
	rss            float64 // most memory of the service, in MB
}

// watch runs a load and returns what it took.
func (t *target) watch(load func()) spent {
	service, rss := usage(t.pid)
	store, _ := usage(t.store.pid)
	ctx, end := context.WithCancel(context.Background())
	most := make(chan float64)
	go func() { most <- t.mostMemory(ctx, rss) }()
	load()
	end()
	s := spent{rss: <-most}
	after, _ := usage(t.pid)
	s.service = after - service
	after, _ = usage(t.store.pid)
	s.store = after - store
	return s
}

// mostMemory looks at the memory of the service until ctx ends.
func (t *target) mostMemory(ctx context.Context, most float64) float64 {
	every := time.NewTicker(watchEvery)
	defer every.Stop()
	for {
		_, now := usage(t.pid)
		most = max(most, now)
		select {
		case <-ctx.Done():
			return most
		case <-every.C:
		}
	}
}
