package flow

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// filter turns the value of an expression into another one.
type filter struct {
	apply       func(v any, arg string) (any, error)
	needsArg    bool
	optionalArg bool
}

func (f filter) takes() string {
	if f.needsArg {
		return "an argument in quotes"
	}
	return "no argument"
}

// filters are all there are. "default" has no apply: it acts where there is no value to apply it to.
var filters = map[string]filter{
	"add":     {apply: moved, needsArg: true},
	"column":  {apply: columnOf, needsArg: true},
	"count":   {apply: countOf},
	"default": {needsArg: true},
	"format":  {apply: formatted, needsArg: true},
	"join":    {apply: joined, optionalArg: true},
	"json":    {apply: asJSON},
	"lower":   {apply: func(v any, _ string) (any, error) { return onText(v, strings.ToLower) }},
	"upper":   {apply: func(v any, _ string) (any, error) { return onText(v, strings.ToUpper) }},
}

var filterNames = strings.Join(slices.Sorted(maps.Keys(filters)), ", ")

// eval returns the value of an expression.
func (l *lookup) eval(x *expression) (any, error) {
	v, err := l.get(x.path)
	for _, f := range x.filters {
		switch {
		case f.name == "default" && (err != nil || v == nil || v == ""):
			v, err = f.arg, nil
		case f.name != "default" && err == nil:
			v, err = filters[f.name].apply(v, f.arg)
		}
	}
	return v, err
}

// asText writes a value into a text. SQL's NULL is an empty cell there.
func asText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case moment:
		return v.String(), nil
	default:
		raw, err := encode(v)
		return string(raw), err
	}
}

func onText(v any, change func(string) string) (any, error) {
	s, err := asText(v)
	return change(s), err
}

// number writes a count as the decoder would have read it.
func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

func asJSON(v any, _ string) (any, error) {
	raw, err := encode(v)
	return string(raw), err
}

func countOf(v any, _ string) (any, error) {
	if m, ok := v.(map[string]any); ok {
		return number(len(m)), nil
	}
	list, ok := elements(v)
	if !ok && v != nil {
		return nil, fault.New(fault.Invalid, "count wants a list or an object")
	}
	return number(len(list)), nil
}

// joined writes the elements of a list one after the other, with a comma where nothing else is asked for.
func joined(v any, sep string) (any, error) {
	list, ok := elements(v)
	if !ok {
		return nil, fault.New(fault.Invalid, "join wants a list")
	}
	if sep == "" {
		sep = ", "
	}
	words := make([]string, len(list))
	for i, e := range list {
		s, err := asText(e)
		if err != nil {
			return nil, err
		}
		words[i] = s
	}
	return strings.Join(words, sep), nil
}

// columnOf takes one field out of each element of a list of objects or of a table's rows.
func columnOf(v any, name string) (any, error) {
	if table, ok := tableRows(v); ok {
		v = table
	}
	list, ok := elements(v)
	if !ok {
		return nil, fault.New(fault.Invalid, "column wants a list of objects or a table")
	}
	cells := make([]any, len(list))
	for i, e := range list {
		cell, err := memberOf(e, segment{name: name}, path{{index: i}})
		if err != nil {
			return nil, err
		}
		cells[i] = cell
	}
	return cells, nil
}

// formatted writes a moment as a Go layout (20060102) or in letters (YYYYMMDD).
func formatted(v any, layout string) (any, error) {
	m, err := asMoment(v)
	if err != nil {
		return nil, err
	}
	if !letters.MatchString(layout) {
		return m.Format(layout), nil
	}
	return letters.ReplaceAllStringFunc(layout, func(s string) string { return m.Format(digits[s]) }), nil
}

// letters are the parts of a layout in letters, and digits what Go calls them. No layout of Go's contains
// any of these letters twice in a row.
var (
	letters = regexp.MustCompile(`YYYY|yyyy|YY|yy|MM|DD|dd|HH|mm|ss`)
	digits  = map[string]string{
		"YYYY": "2006", "yyyy": "2006", "YY": "06", "yy": "06", "MM": "01", "DD": "02", "dd": "02", "HH": "15", "mm": "04", "ss": "05",
	}
)

// asMoment takes a text for the time that it writes.
func asMoment(v any) (moment, error) {
	switch v := v.(type) {
	case moment:
		return v, nil
	case string:
		if t, err := time.Parse(time.RFC3339, v); err == nil {
			return moment{t, time.RFC3339}, nil
		}
		if t, err := time.Parse(dayLayout, v); err == nil {
			return moment{t, dayLayout}, nil
		}
	}
	return moment{}, fault.New(fault.Invalid, "a date or a time expected, such as 2026-01-31 or 2026-01-31T09:00:00+08:00")
}

var offset = regexp.MustCompile(`^([+-]?\d{1,6})(h|m|d|w|mo|y)$`)

// moved moves a moment by an offset: hours, minutes, days, weeks, months, years. A month later than the 31st
// is the last day of a shorter month, never a day of the one after.
func moved(v any, arg string) (any, error) {
	m, err := asMoment(v)
	if err != nil {
		return nil, err
	}
	found := offset.FindStringSubmatch(arg)
	if found == nil {
		return nil, fault.New(fault.Invalid, "%q is no offset; write -1d, 2w, 1mo, 1y, 90m or 8h", arg)
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "%q is no offset", arg)
	}
	switch found[2] {
	case "h":
		m.Time = m.Add(time.Duration(n) * time.Hour)
	case "m":
		m.Time = m.Add(time.Duration(n) * time.Minute)
	case "d":
		m.Time = m.AddDate(0, 0, n)
	case "w":
		m.Time = m.AddDate(0, 0, 7*n)
	case "mo":
		m.Time = addMonths(m.Time, n)
	case "y":
		m.Time = addMonths(m.Time, 12*n)
	}
	return m, nil
}

func addMonths(t time.Time, n int) time.Time {
	first := t.AddDate(0, 0, 1-t.Day()).AddDate(0, n, 0)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}
