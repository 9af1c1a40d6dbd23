package builtin

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// schema is the little of a JSON Schema that filling parameters looks at.
type schema struct {
	Properties map[string]property `json:"properties"`
	Required   []string            `json:"required"`
}

type property struct {
	Type  json.RawMessage `json:"type"` // a name or a list of names
	AnyOf []property      `json:"anyOf"`
	OneOf []property      `json:"oneOf"`
	Items *property       `json:"items"`
	File  string          `json:"x-file"`
}

// schemas remembers what schemaOf read, by the schema's text: every message asks for those of all plugins,
// and a bundle has few. It starts anew when plugins were replaced maxSchemas times.
var schemas struct {
	sync.Mutex
	read map[string]schema
}

const maxSchemas = 1024

// schemaOf reads a schema. One that cannot be read has no properties; checkParams says so when it matters.
func schemaOf(raw json.RawMessage) schema {
	schemas.Lock()
	defer schemas.Unlock()
	if s, known := schemas.read[string(raw)]; known {
		return s
	}
	if schemas.read == nil || len(schemas.read) >= maxSchemas {
		schemas.read = map[string]schema{}
	}
	var s schema
	_ = json.Unmarshal(raw, &s)
	schemas.read[string(raw)] = s
	return s
}

// has reports whether p takes values of this JSON type.
func (p property) has(kind string) bool {
	var one string
	if json.Unmarshal(p.Type, &one) == nil && one == kind {
		return true
	}
	var many []string
	if json.Unmarshal(p.Type, &many) == nil && slices.Contains(many, kind) {
		return true
	}
	accepts := func(o property) bool { return o.has(kind) }
	return slices.ContainsFunc(p.AnyOf, accepts) || slices.ContainsFunc(p.OneOf, accepts)
}

// writes reports whether p names a file to be made.
func (p property) writes() bool {
	return p.File == "write" || p.Items != nil && p.Items.File == "write"
}

// choose returns the tools that low asks for, with those that these need, in the order of the chain. A
// request with an SQL query in it also asks for whatever runs one.
func choose(low string, sql bool, tools []manifest.Manifest) []manifest.Manifest {
	spans := matches(low, tools)
	var chosen []manifest.Manifest
	for i, tool := range tools {
		said := len(spans[i]) > 0 && !dominated(i, spans, tools)
		if said || sql && slices.ContainsFunc(tool.Intent.Slots, func(s manifest.Slot) bool { return s.Kind == "sql" }) {
			chosen = append(chosen, tool)
		}
	}
	slices.SortStableFunc(chosen, byOrder)
	chosen = chosen[:min(len(chosen), maxSteps)]
	for i := 0; i < len(chosen); i++ {
		missing := wants(chosen[i]) && !slices.ContainsFunc(chosen, func(o manifest.Manifest) bool { return feeds(o, chosen[i]) })
		if source, ok := sourceOf(chosen[i], tools); ok && missing && len(chosen) < maxSteps {
			chosen = append(chosen, tools[source])
		}
	}
	chosen = bridged(chosen, tools)
	slices.SortStableFunc(chosen, byOrder)
	return chosen
}

// named drops tools without a name, and all but the first of a name.
func named(tools []manifest.Manifest) []manifest.Manifest {
	seen := map[string]bool{"": true}
	var out []manifest.Manifest
	for _, tool := range tools {
		if !seen[tool.ID] {
			out = append(out, tool)
		}
		seen[tool.ID] = true
	}
	return out
}

// bridged adds a tool where data that nobody takes can be turned into what a later tool takes: a table
// into the file that a mail carries.
func bridged(chosen, tools []manifest.Manifest) []manifest.Manifest {
	for _, from := range chosen {
		for _, to := range chosen {
			fed := func(o manifest.Manifest) bool { return feeds(from, o) || feeds(o, to) }
			if from.Intent.Gives == "" || slices.ContainsFunc(chosen, fed) || len(chosen) == maxSteps {
				continue
			}
			between := func(m manifest.Manifest) bool { return feeds(from, m) && feeds(m, to) && selfContained(m) }
			if i := slices.IndexFunc(tools, between); i >= 0 {
				chosen = append(chosen, tools[i])
			}
		}
	}
	return chosen
}

// dominated reports whether another tool at the same place of a chain is meant rather than tool i: one
// that is named by everything that names i, and by more, or stands before it.
func dominated(i int, spans [][]span, tools []manifest.Manifest) bool {
	for j := range tools {
		if i == j || len(spans[j]) == 0 || tools[i].Intent.Takes != tools[j].Intent.Takes || tools[i].Intent.Gives != tools[j].Intent.Gives {
			continue
		}
		all := !slices.ContainsFunc(spans[i], func(s span) bool { return !slices.Contains(spans[j], s) })
		if more := len(spans[j]) - len(spans[i]); all && (more > 0 || more == 0 && cmp.Or(byOrder(tools[j], tools[i]), j-i) < 0) {
			return true
		}
	}
	return false
}

// wants reports whether tool cannot work without data of an earlier step: it takes some, and no optional
// slot of that kind says that it can do without.
func wants(tool manifest.Manifest) bool {
	return tool.Intent.Takes != "" && !slices.ContainsFunc(tool.Intent.Slots, func(s manifest.Slot) bool {
		return s.Kind == tool.Intent.Takes && !s.Required
	})
}

// feeds reports whether from gives what to takes, and comes before it.
func feeds(from, to manifest.Manifest) bool {
	return to.Intent.Takes != "" && from.Intent.Gives == to.Intent.Takes && from.Intent.Order < to.Intent.Order
}

// sourceOf returns the first tool that gives what `to` takes and works with its example parameters alone.
func sourceOf(to manifest.Manifest, tools []manifest.Manifest) (int, bool) {
	best := -1
	for i, tool := range tools {
		if feeds(tool, to) && selfContained(tool) && (best < 0 || byOrder(tool, tools[best]) < 0) {
			best = i
		}
	}
	return best, best >= 0
}

func selfContained(tool manifest.Manifest) bool {
	for _, name := range schemaOf(tool.Params).Required {
		if _, ok := tool.Intent.Example[name]; !ok {
			return false
		}
	}
	return !slices.ContainsFunc(tool.Intent.Slots, func(s manifest.Slot) bool { return s.Required })
}
