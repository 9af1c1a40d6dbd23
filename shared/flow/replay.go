package flow

import (
	"encoding/json"
	"time"
)

// Moment is a line of a run's journal, and where the run and the line's unit stood after it.
type Moment struct {
	N       int             `json:"n"` // 0 for the creation of the run
	At      time.Time       `json:"at"`
	Type    Type            `json:"type"`
	Step    string          `json:"step,omitempty"`
	Attempt int             `json:"attempt,omitempty"`
	By      string          `json:"by,omitempty"`
	From    string          `json:"from,omitempty"`
	Until   time.Time       `json:"until,omitzero"`
	Params  json.RawMessage `json:"params,omitempty"`
	Receipt json.RawMessage `json:"receipt,omitempty"`
	Summary string          `json:"summary,omitempty"`
	Problem *Problem        `json:"problem,omitempty"`
	Changes []string        `json:"changes,omitempty"` // of an edit
	Void    bool            `json:"void,omitempty"`    // a decision or an edit that came too late to count
	State   State           `json:"state"`
	Unit    UnitState       `json:"unit,omitempty"`
}

// Created is the type of the first Moment. No line of a journal has it.
const Created Type = "created"

// Replay folds a journal again, line by line. It calls nobody and changes nothing.
func Replay(h Header, journal []Event) []Moment {
	r := Fold(h, nil)
	moments := []Moment{{At: h.Created, Type: Created, By: h.User, State: r.State}}
	for i, e := range journal {
		m := Moment{
			N: i + 1, At: e.At, Type: e.Type, Step: e.Step, Attempt: e.Attempt, By: e.By, From: e.From, Until: e.Until,
			Params: e.Params, Receipt: e.Receipt, Problem: e.Problem,
		}
		before, plan := r.decisions(), r.Plan
		r.Apply(e)
		switch e.Type {
		case Approved, Denied, Edited:
			m.Void = r.decisions() == before
		}
		if e.Type == Edited && !m.Void {
			for _, c := range Changes(plan, r.Plan) {
				m.Changes = append(m.Changes, c.String())
			}
		}
		m.State = r.State
		if u := r.unit(e.Step); u != nil {
			m.Unit = u.State
			if e.Type == Done {
				m.Summary = u.Answer().Summary
			}
		}
		moments = append(moments, m)
	}
	return moments
}

// decisions counts what people decided about the plan that counted.
func (r *Run) decisions() int {
	n := r.Revision
	if r.Approved || r.Denied {
		n++
	}
	return n
}
