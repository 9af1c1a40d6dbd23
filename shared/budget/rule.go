// Package budget bounds what people, tasks and the whole deployment use up: tokens of models, money for them,
// effects in the world and seconds of plugins. It is reserved before a call and settled after it.
package budget

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Quantity is what is counted.
type Quantity string

// The quantities.
const (
	Tokens  Quantity = "tokens"  // of prompts and answers
	Money   Quantity = "money"   // for them, at OPENAI_PRICE; in millionths
	Effects Quantity = "effects" // steps that are more than reading
	Seconds Quantity = "seconds" // of plugins at work
)

// Rule is one limit.
type Rule struct {
	Scope    string // user, task or all
	Name     string // of the one user or task that it is for; "" for each
	Quantity Quantity
	Limit    int64  // of money: millionths
	Window   string // hour, day or month
}

// String writes a rule as it stands in HEARTH_BUDGET.
func (r Rule) String() string {
	scope, limit := r.Scope, strconv.FormatInt(r.Limit, 10)
	if r.Name != "" {
		scope += ":" + r.Name
	}
	if r.Quantity == Money {
		limit = strconv.FormatFloat(float64(r.Limit)/1e6, 'f', -1, 64)
	}
	return fmt.Sprintf("%s %s %s/%s", scope, r.Quantity, limit, r.Window)
}

var rulePattern = regexp.MustCompile(`^(user|task|all)(?::(\S+))? (tokens|money|effects|seconds) ([0-9.]+)([kM]?)/(hour|day|month)$`)

// Parse reads rules, separated by semicolons: "user tokens 200k/day; user:ann tokens 1M/day; all money
// 20/day". A rule that names somebody stands in place of the general one.
func Parse(text string) ([]Rule, error) {
	var rules []Rule
	for part := range strings.SplitSeq(text, ";") {
		part = strings.Join(strings.Fields(part), " ")
		if part == "" {
			continue
		}
		r, err := parseRule(part)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(text string) (Rule, error) {
	m := rulePattern.FindStringSubmatch(text)
	if m == nil || m[1] == "all" && m[2] != "" {
		return Rule{}, refused(text)
	}
	amount, err := strconv.ParseFloat(m[4], 64)
	if err != nil {
		return Rule{}, refused(text)
	}
	amount *= map[string]float64{"": 1, "k": 1e3, "M": 1e6}[m[5]]
	if Quantity(m[3]) == Money {
		amount *= 1e6
	}
	if amount > 1e18 || amount != float64(int64(amount)) {
		return Rule{}, refused(text)
	}
	return Rule{Scope: m[1], Name: m[2], Quantity: Quantity(m[3]), Limit: int64(amount), Window: m[6]}, nil
}

func refused(rule string) error {
	return fault.New(fault.Invalid, "not a budget: %.80q", rule).At("HEARTH_BUDGET").
		Try("SCOPE tokens|money|effects|seconds NUMBER/hour|day|month, where SCOPE is user, user:NAME, task, task:ID or all")
}

// Who is whose budget something counts against.
type Who struct {
	User string
	Task string // "" outside of tasks
}

// of returns the names that a rule counts for, "" when it is not about them.
func (r Rule) of(who Who) string {
	name := map[string]string{"user": who.User, "task": who.Task, "all": "all"}[r.Scope]
	if r.Name != "" && r.Name != name {
		return ""
	}
	return name
}

// applying returns the rules about somebody: those by name, and the general ones that no such rule replaces.
func applying(rules []Rule, who Who) []Rule {
	var out []Rule
	for _, r := range rules {
		if r.of(who) == "" {
			continue
		}
		replaced := false
		for _, other := range rules {
			replaced = replaced || r.Name == "" && other.Name != "" && other.Scope == r.Scope && other.Quantity == r.Quantity &&
				other.Window == r.Window && other.of(who) != ""
		}
		if !replaced {
			out = append(out, r)
		}
	}
	return out
}

// window returns the beginning and the end of the window that now is in.
func window(name string, now time.Time) (from, to time.Time) {
	y, m, d := now.Date()
	switch name {
	case "hour":
		from = now.Truncate(time.Hour)
		return from, from.Add(time.Hour)
	case "day":
		return time.Date(y, m, d, 0, 0, 0, 0, now.Location()), time.Date(y, m, d+1, 0, 0, 0, 0, now.Location())
	default:
		return time.Date(y, m, 1, 0, 0, 0, 0, now.Location()), time.Date(y, m+1, 1, 0, 0, 0, 0, now.Location())
	}
}
