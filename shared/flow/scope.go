package flow

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Scope is what the expressions of a step can see: {{expressions}} in params, and the conditions If and
// Foreach. Everything in it is data; nothing in an expression can call anything.
type Scope struct {
	Now    time.Time                  // {{now}} and {{time}}, in the run's zone
	Date   string                     // {{date}}: the run's frozen day, YYYY-MM-DD
	Run    string                     // {{run.id}}
	Event  json.RawMessage            // {{trigger.body}}
	Params json.RawMessage            // {{params.x}}: values lifted out of the plan
	Steps  map[string]json.RawMessage // {{steps.ID.field}}: results by step; nil for one that was skipped or failed
	Item   json.RawMessage            // {{item}}: what this round of a foreach is about
	Index  int                        // {{index}}: the round, from 0
	Place  string                     // of the params in errors, such as steps[2].params; default params
}

// roots are the names that an expression can begin with.
var roots = []string{"date", "index", "item", "now", "params", "run", "steps", "time", "trigger"}

// moment is a point in time that knows how it is written when nobody says how.
type moment struct {
	time.Time
	layout string
}

func (m moment) String() string { return m.Format(m.layout) }

// MarshalJSON writes the moment as its text.
func (m moment) MarshalJSON() ([]byte, error) { return json.Marshal(m.String()) }

const (
	dayLayout  = time.DateOnly
	timeLayout = "15:04"
)

// rows are the rows of a table. Each can be indexed by the name of a column, and all are still written as
// the lists they are.
type rows struct {
	columns []any
	list    []any
}

// MarshalJSON writes the rows as lists.
func (r rows) MarshalJSON() ([]byte, error) { return encode(r.list) }

// row is one of rows.
type row struct {
	columns []any
	cells   []any
}

// MarshalJSON writes the row as a list.
func (r row) MarshalJSON() ([]byte, error) { return encode(r.cells) }

// object returns the row as a map from column to cell.
func (r row) object() map[string]any {
	m := make(map[string]any, len(r.cells))
	for i, cell := range r.cells {
		if name, ok := at(r.columns, i).(string); ok {
			m[name] = cell
		}
	}
	return m
}

// at returns list[i], or nil beyond its end.
func at(list []any, i int) any {
	if i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}

// tableRows returns the rows of v if v is a table: {"columns": [names], "rows": [[cells]]}.
func tableRows(v any) (rows, bool) {
	m, _ := v.(map[string]any)
	columns, named := m["columns"].([]any)
	list, listed := m["rows"].([]any)
	return rows{columns, list}, named && listed
}

// decode keeps numbers as they are written: an id of twenty digits must not lose its last ones.
func decode(raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fault.As(fault.Invalid, err, "not JSON")
	}
	return v, nil
}

// encode is json.Marshal without the escapes for HTML. What has no JSON is Invalid: 0/0 in a condition, say.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.As(fault.Invalid, err, "cannot be written as JSON")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// lookup follows paths through a scope. It decodes each value once.
type lookup struct {
	scope Scope
	cache map[string]any
}

func newLookup(s Scope) *lookup { return &lookup{scope: s, cache: map[string]any{}} }

// get returns the value at a path.
func (l *lookup) get(p path) (any, error) {
	v, rest, err := l.root(p)
	if err != nil {
		return nil, err
	}
	for i, key := range rest {
		v, err = memberOf(v, key, p[:len(p)-len(rest)+i])
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

// root returns the value that a path begins with, and the rest of the path.
func (l *lookup) root(p path) (any, path, error) {
	switch p[0].name {
	case "date":
		day, err := time.ParseInLocation(dayLayout, l.scope.Date, l.scope.Now.Location())
		if err != nil {
			return nil, nil, fault.As(fault.Internal, err, "the run's date is not a day")
		}
		return moment{day, dayLayout}, p[1:], nil
	case "now":
		return moment{l.scope.Now, time.RFC3339}, p[1:], nil
	case "time":
		return moment{l.scope.Now, timeLayout}, p[1:], nil
	case "run":
		return map[string]any{"id": l.scope.Run}, p[1:], nil
	case "index":
		return number(l.scope.Index), p[1:], nil
	case "trigger":
		body, err := l.decoded("trigger.body", l.scope.Event)
		return map[string]any{"body": body}, p[1:], err
	case "params":
		v, err := l.decoded("params", l.scope.Params)
		return v, p[1:], err
	case "item":
		if l.scope.Item == nil {
			return nil, nil, fault.New(fault.Invalid, "item exists only in a step with foreach")
		}
		v, err := l.decoded("item", l.scope.Item)
		return v, p[1:], err
	case "steps":
		return l.step(p)
	default:
		return nil, nil, unknownRoot(p[0].name)
	}
}

func unknownRoot(name string) error {
	return fault.New(fault.Invalid, "unknown name %q; known: %s", name, strings.Join(roots, ", "))
}

func (l *lookup) step(p path) (any, path, error) {
	if len(p) < 2 || p[1].name == "" {
		return nil, nil, fault.New(fault.Invalid, "name the step, as in steps.query.rows")
	}
	id := p[1].name
	result, known := l.scope.Steps[id]
	if !known {
		return nil, nil, fault.New(fault.Invalid, "step %q has no result here; those that do: %s", id, some(slices.Sorted(maps.Keys(l.scope.Steps))))
	}
	if result == nil {
		return nil, nil, fault.New(fault.Invalid, "step %q was skipped or failed, so it has no result", id).
			Try("give a default: {{steps." + id + ".… | default ''}}")
	}
	v, err := l.decoded("steps."+id, result)
	return v, p[2:], err
}

func (l *lookup) decoded(name string, raw json.RawMessage) (any, error) {
	if v, ok := l.cache[name]; ok || len(raw) == 0 {
		return v, nil
	}
	v, err := decode(raw)
	if err != nil {
		return nil, fault.Wrap(err, "%s", name)
	}
	l.cache[name] = v
	return v, nil
}

// memberOf returns what v, found at the path so far, has under key.
func memberOf(v any, key segment, so path) (any, error) {
	if key.name == "" {
		return elementOf(v, key.index, so)
	}
	switch v := v.(type) {
	case map[string]any:
		if table, ok := tableRows(v); ok && key.name == "rows" {
			return table, nil
		}
		inner, ok := v[key.name]
		if !ok {
			return nil, fault.New(fault.Invalid, "%s has no field %q; it has: %s", so, key.name, some(slices.Sorted(maps.Keys(v))))
		}
		return inner, nil
	case row:
		i := slices.Index(v.columns, any(key.name))
		if i < 0 {
			return nil, fault.New(fault.Invalid, "%s has no column %q; it has: %s", so, key.name, names(v.columns))
		}
		return at(v.cells, i), nil
	case nil:
		return nil, fault.New(fault.Invalid, "%s is null, it has no field %q", so, key.name)
	default:
		return nil, fault.New(fault.Invalid, "%s is no object, it has no field %q", so, key.name)
	}
}

func elementOf(v any, i int, so path) (any, error) {
	list, ok := elements(v)
	if !ok {
		return nil, fault.New(fault.Invalid, "%s is no list, it has no [%d]", so, i)
	}
	if i >= len(list) {
		return nil, fault.New(fault.Invalid, "%s has %d elements, there is no [%d]", so, len(list), i)
	}
	return list[i], nil
}

// elements returns the elements of a list, a table's rows or a row.
func elements(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case row:
		return v.cells, true
	case rows:
		list := make([]any, len(v.list))
		for i, cells := range v.list {
			list[i] = cells
			if c, ok := cells.([]any); ok {
				list[i] = row{v.columns, c}
			}
		}
		return list, true
	default:
		return nil, false
	}
}

// names writes a table's columns for people.
func names(columns []any) string {
	var list []string
	for _, c := range columns {
		if name, ok := c.(string); ok {
			list = append(list, name)
		}
	}
	return some(list)
}

// some writes the first of the names for people.
func some(names []string) string {
	const most = 12
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + " …"
	default:
		return strings.Join(names, ", ")
	}
}
