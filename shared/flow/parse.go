package flow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/strictjson"
)

// MaxPlan bounds a task file, in bytes.
const MaxPlan = 256 << 10

// Parse reads a plan: a task file, or what a planner wrote. It returns the plan as it is written; Normalize
// fills in the rest. What is wrong is Invalid, with line and column or with its place in the plan, such as
// steps[1].needs.
func Parse(raw []byte) (Plan, error) {
	if len(raw) > MaxPlan {
		return Plan{}, fault.New(fault.TooLarge, "a plan of %d KiB; at most %d", len(raw)>>10, MaxPlan>>10)
	}
	var p Plan
	if err := strictjson.Decode(raw, &p); err != nil {
		return Plan{}, err
	}
	if err := Check(p); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// Normalize returns p with everything said that the shortest form leaves out: ids s1, s2 …; each step
// needing the one before it where no step says what it needs; an edge to each step whose result is used;
// defaults. Steps stand after those they need. A normalized plan stays as it is.
func Normalize(p Plan) Plan {
	p = wired(p)
	p.Steps = sorted(p.Steps)
	if p.Trigger != nil {
		t := normalTrigger(*p.Trigger)
		p.Trigger = &t
	}
	return p
}

// wired names the steps and draws all edges. The steps keep their order.
func wired(p Plan) Plan {
	steps := make([]Step, len(p.Steps))
	inOrder := !slices.ContainsFunc(p.Steps, func(s Step) bool { return len(s.Needs) > 0 })
	for i, s := range p.Steps {
		if s.ID == "" {
			s.ID = fmt.Sprintf("s%d", i+1)
		}
		if s.OnError == "" {
			s.OnError = Rollback
		}
		if len(s.Params) == 0 {
			s.Params = json.RawMessage("{}")
		}
		if inOrder && i > 0 {
			s.Needs = []string{steps[i-1].ID}
		}
		s.Needs = unique(slices.Concat(s.Needs, s.Sources().Steps))
		steps[i] = s
	}
	p.Steps = steps
	return p
}

// Sources returns what a step reads: in its parameters, its condition and its list. What Check would refuse
// reads nothing.
func (s Step) Sources() Sources {
	all := SourcesOf(s.Params)
	for _, f := range s.conditions() {
		if read, err := sourcesOf(f.value); err == nil {
			all.Steps = append(all.Steps, read.Steps...)
			all.Trigger = all.Trigger || read.Trigger
		}
	}
	all.Steps = unique(all.Steps)
	return all
}

func unique(list []string) []string {
	var once []string
	for _, s := range list {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

// sorted puts each step after those it needs and changes the order no further. Steps that need each other
// come last.
func sorted(steps []Step) []Step {
	left, placed := slices.Clone(steps), map[string]bool{}
	var order []Step
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(s Step) bool {
			return !slices.ContainsFunc(s.Needs, func(id string) bool { return !placed[id] })
		})
		if i < 0 {
			return append(order, left...)
		}
		placed[left[i].ID] = true
		order = append(order, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return order
}

// normalTrigger says the defaults of a timed trigger, and a zone in the schedule as Timezone.
func normalTrigger(t Trigger) Trigger {
	if !t.Timed() {
		return t
	}
	t.Schedule = strings.TrimSpace(t.Schedule)
	if name, fields, ok := zoneInSchedule(t.Schedule); ok && t.Type == Cron {
		t.Timezone, t.Schedule = name, fields
	}
	if t.Misfire == "" {
		t.Misfire = MisfireOnce
	}
	if t.Grace == "" {
		t.Grace = defaultGrace.String()
	}
	if t.Overlap == "" {
		t.Overlap = OverlapSkip
	}
	return t
}

// Canonical returns the one JSON text of a plan: normalized, keys in order, nothing to spare. Two texts of
// the same plan have the same canonical form. Parameters that are no JSON, which Parse refuses, count as a
// text, so that two plans never share a form by being broken.
func Canonical(p Plan) []byte {
	p = Normalize(p)
	for i, s := range p.Steps {
		if !json.Valid(s.Params) {
			p.Steps[i].Params = must(encode(string(s.Params)))
		}
	}
	return must(encode(must(decode(must(encode(p))))))
}

// must is for values that come out of encoding/json and can go back in.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Digest returns the SHA-256 of the canonical form, in hex. An approval is bound to it.
func Digest(p Plan) string {
	sum := sha256.Sum256(Canonical(p))
	return hex.EncodeToString(sum[:])
}
