package manifest

import (
	"encoding/json"
	"slices"
)

// Case is the effect of calls with certain parameters.
type Case struct {
	Given string   `json:"given,omitempty"` // the call has this parameter
	Param string   `json:"param,omitempty"` // and this parameter
	In    []string `json:"in,omitempty"`    // has one of these values
	Op
}

// EffectOf is the effect of a call with these parameters: that of its operation (Ops, by the parameter op), else of
// the first of the Cases that it fits, else the plugin's own. Parameters that cannot be read fit no case.
func (m Manifest) EffectOf(params json.RawMessage) Op {
	given := map[string]json.RawMessage{}
	_ = json.Unmarshal(params, &given) // what is left unread is not given
	if op, ok := m.Ops[text(given["op"])]; ok {
		return op
	}
	for _, c := range m.Cases {
		_, there := given[c.Given]
		if (c.Given == "" || there) && (c.Param == "" || slices.Contains(c.In, text(given[c.Param]))) {
			return c.Op
		}
	}
	// What only some of the operations or cases can take back is not the plugin's to promise.
	return Op{Effect: m.Effect, Undo: m.Undo && (m.Effect == Compensable || len(m.Ops)+len(m.Cases) == 0)}
}

// Reconciles reports whether the plugin can be asked afterwards whether a call with these parameters happened.
func (m Manifest) Reconciles(params json.RawMessage) bool {
	if m.Reconcile == nil || m.EffectOf(params).Effect == Read {
		return false
	}
	given := map[string]json.RawMessage{}
	_ = json.Unmarshal(params, &given) // what is left unread is not given
	return !slices.ContainsFunc(m.Reconcile.Needs, func(name string) bool { return given[name] == nil })
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // anything else is none of the values
	return s
}
