package intent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// review holds a model's steps against what the manifests say of their tools, beyond the form: what each
// takes and gives, the fields of its result, and the files that there can be.
type review struct {
	steps []flow.Step
	tools []manifest.Manifest
	said  string // in the conversation
	date  string // today
}

// problems returns what is wrong, in words for the model. A file that is made and not passed on may be meant
// so: it is pointed out once.
func (r review) problems(first bool) []string {
	var found []string
	for i, s := range r.steps {
		tool, ok := r.tool(s.Plugin)
		if !ok {
			continue // the plan was refused for it
		}
		found = append(found, r.fields(s)...)
		found = append(found, r.files(i, tool)...)
		if r.starves(i, tool) {
			found = append(found, fmt.Sprintf("step %q: %s takes a %s, and no step before it gives one%s", s.ID, s.Plugin, tool.Intent.Takes, r.givers(tool.Intent.Takes)))
		}
		if first {
			found = append(found, r.unused(i, tool)...)
		}
	}
	return found
}

func (r review) tool(id string) (manifest.Manifest, bool) {
	i := slices.IndexFunc(r.tools, func(m manifest.Manifest) bool { return m.ID == id })
	if i < 0 {
		return manifest.Manifest{}, false
	}
	return r.tools[i], true
}

// used is a field of a step's result in an expression.
var used = regexp.MustCompile(`\{\{\s*steps\.([a-z0-9_-]+)\.([A-Za-z0-9_]+)`)

// fields finds references to what a step's result does not have.
func (r review) fields(s flow.Step) []string {
	var found []string
	for _, m := range used.FindAllStringSubmatch(string(s.Params), -1) {
		at := slices.IndexFunc(r.steps, func(o flow.Step) bool { return o.ID == m[1] })
		if at < 0 {
			continue // the plan was refused for it
		}
		tool, _ := r.tool(r.steps[at].Plugin)
		var result struct {
			Properties map[string]json.RawMessage `json:"properties"`
		}
		if json.Unmarshal(tool.Result, &result) != nil || len(result.Properties) == 0 {
			continue // its plugin does not say
		}
		if _, ok := result.Properties[m[2]]; !ok {
			found = append(found, fmt.Sprintf("step %q: the result of step %q has no %s; it has %s", s.ID, m[1], m[2],
				strings.Join(slices.Sorted(maps.Keys(result.Properties)), ", ")))
		}
	}
	return found
}

// files finds files to read that nobody named and no earlier step writes: a model made them up.
func (r review) files(at int, tool manifest.Manifest) []string {
	list, err := plugin.Files(tool.Params, r.steps[at].Params)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, f := range list {
		if f.Mode == plugin.ModeRead && !r.exists(at, tool, f.Path) {
			found = append(found, fmt.Sprintf("step %q: %s: nobody named the file %s and no earlier step writes it", r.steps[at].ID, f.Place, f.Path))
		}
	}
	return found
}

// exists reports whether there can be a file for a step to read, or an expression says which it is.
func (r review) exists(at int, tool manifest.Manifest, file string) bool {
	return strings.Contains(strings.ReplaceAll(file, "{{date}}", ""), "{{") ||
		r.named(file) || r.exemplary(tool, file) || slices.Contains(r.written(at), r.clean(file))
}

// named reports whether somebody named a file, at least by its name without folder and ending.
func (r review) named(file string) bool {
	name := strings.TrimSuffix(path.Base(file), path.Ext(file))
	return len(name) > 2 && strings.Contains(strings.ToLower(r.said), strings.ToLower(name))
}

// exemplary reports whether a file stands in the tool's example. One that an earlier step makes is of
// another plan.
func (r review) exemplary(tool manifest.Manifest, file string) bool {
	for param, value := range tool.Intent.Example {
		made := slices.ContainsFunc(tool.Intent.Slots, func(s manifest.Slot) bool { return s.Param == param && s.Kind == tool.Intent.Takes })
		if !made && strings.Contains(r.clean(fmt.Sprint(value)), r.clean(file)) {
			return true
		}
	}
	return false
}

// written are the files that the steps before one write.
func (r review) written(before int) []string {
	var paths []string
	for _, s := range r.steps[:before] {
		tool, _ := r.tool(s.Plugin)
		list, err := plugin.Files(tool.Params, s.Params)
		if err != nil {
			continue // it has a problem of its own
		}
		for _, f := range list {
			if f.Mode == plugin.ModeWrite {
				paths = append(paths, r.clean(f.Path))
			}
		}
	}
	return paths
}

// clean is the one form of a path.
func (r review) clean(file string) string {
	return path.Clean("/" + strings.ReplaceAll(file, "{{date}}", r.date))
}

// starves reports whether a step has nothing to work on: its tool needs what an earlier step gives, there is
// no such step, and its parameters bring no data either.
func (r review) starves(at int, tool manifest.Manifest) bool {
	if tool.Intent.Takes == "" || slices.ContainsFunc(tool.Intent.Slots, func(s manifest.Slot) bool {
		return s.Kind == tool.Intent.Takes && !s.Required
	}) || r.fed(at, tool.Intent.Takes) {
		return false
	}
	var values map[string]json.RawMessage
	if json.Unmarshal(r.steps[at].Params, &values) != nil {
		return false // the plan was refused for it
	}
	for _, value := range values {
		if value = bytes.TrimSpace(value); len(value) > 2 && (value[0] == '[' || value[0] == '{' || bytes.Contains(value, []byte("{{steps."))) {
			return false
		}
	}
	return true
}

// fed reports whether a step before gives a kind of data.
func (r review) fed(before int, kind string) bool {
	return slices.ContainsFunc(r.steps[:before], func(s flow.Step) bool {
		tool, _ := r.tool(s.Plugin)
		return tool.Intent.Gives == kind
	})
}

// givers names the tools that give a kind of data.
func (r review) givers(kind string) string {
	var names []string
	for _, m := range r.tools {
		if m.Intent.Gives == kind {
			names = append(names, m.ID)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; " + strings.Join(names, ", ") + " gives one"
}

// unused finds slots of a step that stay empty although an earlier step makes what they take.
func (r review) unused(at int, tool manifest.Manifest) []string {
	var found []string
	var values map[string]json.RawMessage
	if json.Unmarshal(r.steps[at].Params, &values) != nil {
		return nil // the plan was refused for it
	}
	for _, slot := range tool.Intent.Slots {
		if _, set := values[slot.Param]; set || slot.Kind != tool.Intent.Takes {
			continue
		}
		for _, s := range slices.Backward(r.steps[:at]) {
			if before, _ := r.tool(s.Plugin); before.Intent.Gives == slot.Kind {
				found = append(found, fmt.Sprintf("step %q: %s leaves out %s, and step %q makes a %s for it: {{steps.%s.path}}", r.steps[at].ID, tool.ID, slot.Param, s.ID, slot.Kind, s.ID))
				break
			}
		}
	}
	return found
}
