package provider

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/openfaas/faas-provider/types"
)

// ticks is how many units of processor time /proc counts in a second (USER_HZ, 100 on every Linux).
const ticks = 100

// processes are the processes of this machine at one moment, by id. Without a /proc there are none.
type processes map[int]processState

// processState is what is used of /proc/PID/stat, which is described in proc_pid_stat(5).
type processState struct {
	parent, group int
	cpu           time.Duration // with that of children that have ended
	memory        int64         // resident bytes
}

// readProcesses looks at all processes.
func readProcesses() processes {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	all := processes{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		raw, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		if state, ok := parseStat(raw); ok {
			all[pid] = state
		}
	}
	return all
}

// The fields of stat that are used, counted from the one behind the program's name.
const (
	statParent = 1
	statGroup  = 2
	statUser   = 11 // utime, and then stime, cutime and cstime
	statPages  = 21
)

// parseStat reads a line of stat. The program's name, in parentheses, can hold anything.
func parseStat(raw []byte) (processState, bool) {
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) <= statPages {
		return processState{}, false
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64) // the kernel writes numbers
		return n
	}
	s := processState{parent: int(number(statParent)), group: int(number(statGroup)), memory: number(statPages) * int64(os.Getpagesize())}
	for i := statUser; i < statUser+4; i++ {
		s.cpu += time.Duration(number(i)) * time.Second / ticks
	}
	return s, true
}

// tree sums up a process, those of its group and its descendants.
func (all processes) tree(root int) (cpu time.Duration, memory int64) {
	for pid, state := range all {
		if all.descends(pid, root) {
			cpu += state.cpu
			memory += state.memory
		}
	}
	return cpu, memory
}

// descends reports whether a process is root, of its group, or below one that is.
func (all processes) descends(pid, root int) bool {
	for range len(all) {
		state, found := all[pid]
		if !found {
			return false
		}
		if pid == root || state.group == root {
			return true
		}
		pid = state.parent
	}
	return false
}

// meter remembers the last measurement of a function.
type meter struct {
	mu  sync.Mutex
	pid int
	at  time.Time
	cpu time.Duration
}

// measure returns what the processes of a function use: resident memory in bytes, in which pages that
// processes share count for each, and processor time in thousandths of a processor (OpenFaaS' millicores)
// since the last measurement, which for the first is 0. A function without a process of its own has none.
func (m *meter) measure(all processes, pid int, now time.Time) *types.FunctionUsage {
	if _, found := all[pid]; !found {
		return nil
	}
	cpu, memory := all.tree(pid)
	m.mu.Lock()
	defer m.mu.Unlock()
	usage := &types.FunctionUsage{TotalMemoryBytes: float64(memory)}
	if took := now.Sub(m.at); m.pid == pid && took > 0 {
		usage.CPU = max(0, 1000*float64(cpu-m.cpu)/float64(took))
	}
	m.pid, m.at, m.cpu = pid, now, cpu
	return usage
}
