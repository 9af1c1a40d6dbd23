package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/workspace"
)

const (
	tasksPath = "/function/system-tasks/"
	runsPath  = tasksPath + "runs/"
	filesPath = "/function/system-files/"
	effects   = "/bench" // the folder of the workspace that the runs write to
)

// effectTask is a task with one effect, whose file has the run's name: what was done twice has two versions.
const effectTask = `{"task_id":"bench","steps":[{"id":"write","plugin":"file_manager","params":{"op":"write","path":"` + effects + `/{{run.id}}.txt","content":"All is well."}}]}`

// effectCallers is how many runs are under way at once.
const effectCallers = 8

var effectScenario = scenario{
	name:     "effect",
	about:    "runs of a task whose one step writes a file, started and followed over the API, eight at once: from the start to done",
	variants: []variant{inline, processes},
	rounds:   3,
	columns:  []column{{"runs/s", 0}, {"p50 ms", 1}, {"p99 ms", 1}, {"max ms", 1}, {"service CPU ms/run", 2}, {"Redis CPU ms/run", 2}},
	round: func(ctx context.Context, b *bench, v variant) (sample, error) {
		return b.on(ctx, v, filling{}, func(t *target, s *sample) error {
			b.world.setDelay(0)
			if err := t.ask(ctx, http.MethodPut, tasksPath+"bench", effectTask, nil); err != nil {
				return err
			}
			before := t.runs(ctx, effectCallers) // warm up
			var done []ended
			start := time.Now()
			took := t.watch(func() { done = t.runs(ctx, b.runs) })
			whole := time.Since(start)
			var all []float64
			for _, e := range done {
				if e.state == flow.StateDone {
					all = append(all, ms(e.took))
				}
			}
			s.values["runs/s"] = rate(len(all), whole)
			s.values["p50 ms"], s.values["p99 ms"], s.values["max ms"] = quantile(all, .5), quantile(all, .99), quantile(all, 1)
			s.values["service CPU ms/run"], s.values["Redis CPU ms/run"] = took.service/float64(b.runs), took.store/float64(b.runs)
			return t.judge(ctx, append(before, done...), s)
		})
	},
}

// ended is what became of a run.
type ended struct {
	id    string // "" when it was not accepted
	state flow.State
	took  time.Duration
	err   error
}

// runs starts n runs, with some under way at once, and waits for their ends.
func (t *target) runs(ctx context.Context, n int) []ended {
	all := make([]ended, n)
	next := make(chan int, n)
	for i := range all {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range effectCallers {
		wg.Go(func() {
			for i := range next {
				start := time.Now()
				all[i] = t.runTask(ctx)
				all[i].took = time.Since(start)
			}
		})
	}
	wg.Wait()
	return all
}

// runTask starts the task and follows the run as "hearth task run" does.
func (t *target) runTask(ctx context.Context) ended {
	var started struct {
		Run string `json:"run"`
	}
	if err := t.ask(ctx, http.MethodPost, tasksPath+"bench/run", "{}", &started); err != nil {
		return ended{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	var view flow.View
	path := runsPath + started.Run
	err := t.ask(ctx, http.MethodGet, path, "", &view)
	for err == nil && !view.State.Over() {
		err = t.ask(ctx, http.MethodGet, fmt.Sprintf("%s?wait=30&rev=%d", path, view.Rev), "", &view)
	}
	return ended{id: started.Run, state: view.State, err: err}
}

// judge counts what became of the runs: lost is one that was accepted and is not done, or whose file is not
// there; doubled is a file that was written twice.
func (t *target) judge(ctx context.Context, done []ended, s *sample) error {
	var list struct {
		Files []workspace.File `json:"files"`
	}
	if err := t.ask(ctx, http.MethodGet, filesPath+"list?path="+effects, "", &list); err != nil {
		return err
	}
	versions := map[string]int64{}
	for _, f := range list.Files {
		versions[f.Path] = f.Version
	}
	for _, e := range done {
		s.tally.Sent++
		version := versions[effects+"/"+e.id+".txt"]
		switch {
		case e.id == "":
			s.tally.Broken++
		case e.state != flow.StateDone || version == 0:
			s.tally.Accepted++
			s.tally.Lost++
		default:
			s.tally.Accepted++
		}
		if version > 1 {
			s.tally.Doubled++
		}
		if e.err != nil {
			s.notes = append(s.notes, fmt.Sprintf("a run: %v", e.err))
		}
	}
	return nil
}

// ask calls the API as the owner.
func (t *target) ask(ctx context.Context, method, path, body string, out any) error {
	token, err := t.owner()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, t.address+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s was answered %s %.200s", method, path, resp.Status, raw)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}
