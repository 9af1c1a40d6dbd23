package flow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Edit is what a plan became when somebody changed it while it waited for approval: the plan, and all in
// the header that follows from it.
type Edit struct {
	Plan     Plan            `json:"plan"`
	Params   json.RawMessage `json:"params,omitempty"`
	Facts    map[string]Fact `json:"facts"`
	Card     *Card           `json:"card"`
	Digest   string          `json:"digest"`
	Approver string          `json:"approver,omitempty"`
	Expires  time.Time       `json:"expires"`
}

// Version is a plan that a run had before somebody edited it.
type Version struct {
	Plan   Plan
	Digest string
	By     string // who edited it
}

// decide applies what people say about a plan that waits. The first decision counts. An approval of a plan
// that was edited meanwhile approves nothing, and an edit of a plan that was decided about changes nothing:
// both were written at the same time, and only the order of the journal tells.
func (r *Run) decide(e Event) {
	late := e.Revision != r.Revision
	switch {
	case r.Approved || r.Denied || r.State.Over() || late && e.Type != Denied:
	case e.Type == Approved:
		r.Approved, r.By, r.Decided, r.State = true, e.By, e.At, Running
	case e.Type == Denied:
		r.Denied, r.By, r.Decided = true, e.By, e.At
	case e.Edit != nil:
		r.Past = append(r.Past, Version{r.Plan, r.Digest, e.By})
		r.Revision++
		r.Plan, r.Header.Params, r.Facts, r.Card = e.Edit.Plan, e.Edit.Params, e.Edit.Facts, e.Edit.Card
		r.Digest, r.Approver, r.Expires = e.Edit.Digest, e.Edit.Approver, e.Edit.Expires
		r.begin()
	}
}

// Seen returns the plan that a digest, or the beginning of one, stands for: that of the run now, or one that
// it had before.
func (r *Run) Seen(digest string) (Version, bool) {
	for _, v := range slices.Backward(append(slices.Clone(r.Past), Version{Plan: r.Plan, Digest: r.Digest})) {
		if strings.HasPrefix(v.Digest, digest) {
			return v, true
		}
	}
	return Version{}, false
}

// Set returns the plan with other parameters, named step.param or, for the plan's own, params.name. Null
// takes a parameter out. What does not fit is Invalid, with its place: steps.mail.params.to.
func (p Plan) Set(edits Values) (Plan, error) {
	p.Steps, p.Params = slices.Clone(p.Steps), maps.Clone(p.Params)
	for _, name := range slices.Sorted(maps.Keys(edits)) {
		if err := p.set(name, edits[name]); err != nil {
			return p, err
		}
	}
	if err := Check(p); err != nil {
		return p, p.byName(err)
	}
	return Normalize(p), nil
}

// set changes the steps and parameters of p, which are its own.
func (p Plan) set(name string, value json.RawMessage) error {
	id, param, ok := strings.Cut(name, ".")
	if !ok || param == "" || !json.Valid(value) {
		return fault.New(fault.Invalid, "%q changes nothing: name a parameter and a JSON value, as in mail.to=\"bo@example.com\"", name)
	}
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.ID == id })
	if i < 0 && id == "params" {
		if _, known := p.Params[param]; !known {
			return p.unknownValue(param).At(name)
		}
		p.Params[param] = value
		return nil
	}
	if i < 0 {
		return fault.New(fault.Invalid, "there is no step %q; there are: %s", id, strings.Join(p.ids(), ", ")).At(name)
	}
	params := Values{}
	if err := json.Unmarshal(p.Steps[i].Params, &params); len(p.Steps[i].Params) > 0 && err != nil {
		return fault.As(fault.Invalid, err, "the parameters of %s are no object", id)
	}
	if params[param] = value; bytes.Equal(bytes.TrimSpace(value), []byte("null")) {
		delete(params, param)
	}
	raw, err := encode(params)
	p.Steps[i].Params = raw
	return err
}

func (p Plan) ids() []string {
	ids := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		ids[i] = s.ID
	}
	return ids
}

// byName puts the step's name into a place that counts steps: whoever changes one parameter has no file to
// count in.
func (p Plan) byName(err error) error {
	var e *fault.Error
	var i int
	if e, _ = err.(*fault.Error); e == nil {
		return err
	}
	if _, scanErr := fmt.Sscanf(e.Field, "steps[%d]", &i); scanErr != nil || i >= len(p.Steps) {
		return err
	}
	_, rest, _ := strings.Cut(e.Field, "]")
	return e.At("steps." + p.Steps[i].ID + rest)
}

// Change is a parameter that two plans differ in; nil is one that a plan does not have.
type Change struct {
	Name     string // step.param
	Old, New json.RawMessage
}

func (c Change) String() string { return c.Name + ": " + shown(c.Old) + " → " + shown(c.New) }

func shown(value json.RawMessage) string {
	if value == nil {
		return "–"
	}
	return clip(string(value))
}

// Changes returns the parameters that b has otherwise than a.
func Changes(a, b Plan) []Change {
	var list []Change
	add := func(place string, before, after Values) {
		names := slices.Sorted(maps.Keys(before))
		for name := range after {
			if _, both := before[name]; !both {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			if !bytes.Equal(before[name], after[name]) {
				list = append(list, Change{place + "." + name, before[name], after[name]})
			}
		}
	}
	add("params", a.Params, b.Params)
	for _, s := range b.Steps {
		i := slices.IndexFunc(a.Steps, func(o Step) bool { return o.ID == s.ID })
		if i < 0 {
			continue // an edit adds no steps
		}
		add(s.ID, valuesOf(a.Steps[i].Params), valuesOf(s.Params))
	}
	return list
}

// valuesOf reads parameters that Check has seen.
func valuesOf(params json.RawMessage) Values {
	var v Values
	if tree, err := decode(params); err == nil {
		if raw, err := encode(tree); err == nil {
			_ = json.Unmarshal(raw, &v) // an object; Check refuses anything else
		}
	}
	return v
}
