package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of a condition. The size of what goes in is bounded by the results of plugins.
const (
	maxConditionText  = 2000 // bytes
	maxConditionNodes = 200
	maxConditionCells = 100_000 // elements that lists made by a condition may have
	maxConditionTime  = time.Second
	maxConditionBytes = MaxExpanded // that the predicates of a condition may make
)

// pure are the builtins that a condition may use: they read nothing but their arguments, and none can make
// much out of little.
var pure = []string{
	"all", "any", "none", "one", "filter", "map", "find", "count", "sum", "len", "first", "last", "keys", "values", "get",
	"abs", "ceil", "floor", "round", "int", "float", "min", "max", "trim", "lower", "upper", "hasPrefix", "hasSuffix",
}

// conditionEnv is what a condition sees: the names of a Scope. Rows of a table are objects here.
type conditionEnv struct {
	Date    string         `expr:"date"` // 2026-01-31: days compare as text
	Now     time.Time      `expr:"now"`
	Time    string         `expr:"time"` // 09:05
	Run     map[string]any `expr:"run"`
	Trigger map[string]any `expr:"trigger"`
	Params  any            `expr:"params"`
	Steps   map[string]any `expr:"steps"` // nil for one that was skipped or failed
	Item    any            `expr:"item"`
	Index   int            `expr:"index"`
}

// Holds evaluates the condition of a step, such as `len(steps.query.rows) > 0`. What is neither true nor
// false, and what cannot be evaluated, is Invalid. A step that was skipped or failed is nil.
func Holds(condition string, scope Scope) (bool, error) {
	v, err := evaluate(condition, scope)
	if err != nil {
		return false, err
	}
	holds, ok := v.(bool)
	if !ok {
		return false, fault.New(fault.Invalid, "the condition %q is neither true nor false", clip(condition))
	}
	return holds, nil
}

// Expanded evaluates the foreach of a step, such as `filter(steps.query.rows, .amount > 100)`, and returns
// its items. Null is an empty list. More than MaxItems are TooLarge.
func Expanded(foreach string, scope Scope) ([]json.RawMessage, error) {
	v, err := evaluate(foreach, scope)
	if err != nil {
		return nil, err
	}
	raw, err := encode(v)
	if err != nil {
		return nil, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fault.New(fault.Invalid, "foreach needs a list, and %q gives something else", clip(foreach))
	}
	if len(items) > MaxItems {
		return nil, fault.New(fault.TooLarge, "foreach over %d items; at most %d", len(items), MaxItems).
			Try("filter the list, or do it in several runs")
	}
	return items, nil
}

// sourcesOf returns what a condition reads.
func sourcesOf(condition string) (Sources, error) {
	c, err := compile(condition)
	if err != nil {
		return Sources{}, err
	}
	return c.guard.sources, nil
}

// condition is a compiled condition, for one evaluation.
type condition struct {
	program *vm.Program
	guard   *guard
}

func compile(src string, more ...expr.Option) (*condition, error) {
	if len(src) > maxConditionText {
		return nil, fault.New(fault.TooLarge, "a condition of %d bytes; at most %d", len(src), maxConditionText)
	}
	g := &guard{bytes: maxConditionBytes}
	options := []expr.Option{
		expr.Env(conditionEnv{}), expr.MaxNodes(maxConditionNodes), expr.Patch(g),
		expr.Function(meter, g.charge, new(func(any) any)),
	}
	program, err := expr.Compile(bareCondition(src), append(options, more...)...)
	if err != nil {
		return nil, notCondition(src, err)
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	return &condition{program, g}, nil
}

// bareCondition takes off the braces that people put around conditions because params need them.
func bareCondition(src string) string {
	src = strings.TrimSpace(src)
	inner, opened := strings.CutPrefix(src, "{{")
	inner, closed := strings.CutSuffix(inner, "}}")
	if opened && closed && !strings.Contains(inner, "{{") {
		return inner
	}
	return src
}

// notCondition keeps the first line of what the compiler says; the others draw the place.
func notCondition(src string, err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return fault.New(fault.Invalid, "%q: %s", clip(src), line)
}

func evaluate(src string, scope Scope) (any, error) {
	c, err := compile(src)
	if err != nil {
		return nil, err
	}
	env, err := newConditionEnv(scope, c.guard.sources)
	if err != nil {
		return nil, err
	}
	// The clock only bounds the work here; no value depends on it.
	c.guard.deadline = time.Now().Add(maxConditionTime)
	machine := vm.VM{MemoryBudget: maxConditionCells}
	v, err := machine.Run(c.program, env)
	if err != nil {
		return nil, notCondition(src, err)
	}
	return v, nil
}

// newConditionEnv decodes of the scope what the condition reads.
func newConditionEnv(s Scope, read Sources) (conditionEnv, error) {
	l := newLookup(s)
	body, errBody := l.decoded("trigger.body", s.Event)
	params, errParams := l.decoded("params", s.Params)
	item, errItem := l.decoded("item", s.Item)
	err := errors.Join(errBody, errParams, errItem)
	env := conditionEnv{
		Date: s.Date, Now: s.Now, Time: s.Now.Format(timeLayout), Index: s.Index, Run: map[string]any{"id": s.Run},
		Trigger: map[string]any{"body": plain(body)}, Params: plain(params), Item: plain(item), Steps: map[string]any{},
	}
	for _, id := range read.Steps {
		v, errStep := l.decoded("steps."+id, s.Steps[id])
		env.Steps[id], err = plain(v), errors.Join(err, errStep)
	}
	return env, err
}

// plain makes of a decoded value one that conditions can calculate with: numbers are int or float64, except
// integers that neither can hold, and the rows of tables are objects.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return plainNumber(v)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		table, isTable := tableRows(v)
		for key := range v {
			v[key] = plain(v[key])
		}
		if isTable {
			v["rows"] = table.objects()
		}
	}
	return v
}

func plainNumber(n json.Number) any {
	if i, err := strconv.Atoi(n.String()); err == nil {
		return i
	}
	if f, err := n.Float64(); err == nil && strings.ContainsAny(n.String(), ".eE") {
		return f
	}
	return n
}

func (r rows) objects() []any {
	list, _ := elements(r)
	for i, e := range list {
		if named, ok := e.(row); ok {
			list[i] = named.object()
		}
	}
	return list
}

// meter is the function that guard puts around the predicates of a condition. No one can write this name.
const meter = "\x00meter"

// guard watches one condition: what it reads, what it may not contain, and how long its loops run.
type guard struct {
	sources  Sources
	named    int // how often steps.ID is written
	all      int // how often steps is
	params   int // how often params is written without a name behind it
	refused  string
	deadline time.Time
	bytes    int
}

// Visit is called with each node of the tree, children first.
func (g *guard) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		g.identifier(n.Value)
	case *ast.MemberNode:
		root, isRoot := n.Node.(*ast.IdentifierNode)
		id, literal := n.Property.(*ast.StringNode)
		if isRoot && literal && root.Value == "steps" {
			g.named++
			g.sources.add(path{{name: "steps"}, {name: id.Value}})
		}
		if isRoot && literal && root.Value == "params" {
			g.params--
			g.sources.add(path{{name: "params"}, {name: id.Value}})
		}
	case *ast.BuiltinNode:
		if !slices.Contains(pure, n.Name) {
			g.refused = n.Name
		}
	case *ast.VariableDeclaratorNode:
		// a = s+s; b = a+a; … would double a text with each line.
		g.refused = "let"
	case *ast.PredicateNode:
		n.Node = &ast.CallNode{Callee: &ast.IdentifierNode{Value: meter}, Arguments: []ast.Node{n.Node}}
	}
}

func (g *guard) identifier(name string) {
	switch name {
	case "steps":
		g.all++
	case "params":
		g.params++
	case "$env":
		g.refused = name
	default:
		g.sources.add(path{{name: name}})
	}
}

// check refuses what compiles and still cannot be followed.
func (g *guard) check() error {
	if g.refused != "" {
		return fault.New(fault.Invalid, "conditions have no %s; they have %s", g.refused, strings.Join(pure, ", "))
	}
	if g.all != g.named {
		return fault.New(fault.Invalid, "name the step, as in steps.query.rows")
	}
	if g.params > 0 {
		return errUnnamed
	}
	return nil
}

// charge is what the meter does with the value of each round of a loop.
func (g *guard) charge(args ...any) (any, error) {
	if s, ok := args[0].(string); ok {
		g.bytes -= len(s)
	}
	if g.bytes < 0 || time.Now().After(g.deadline) {
		return nil, fmt.Errorf("takes more than %v or %d KiB", maxConditionTime, maxConditionBytes>>10)
	}
	return args[0], nil
}
