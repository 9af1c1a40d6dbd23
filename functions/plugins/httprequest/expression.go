package httprequest

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hearthfaas/hearth/shared/fault"
)

// expression is ${json.id} and its like.
var expression = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([A-Za-z0-9_.-]*)\}`) })

// answered is what expressions can see.
type answered struct {
	out   *Out // nil when nobody knows the answer
	key   string
	probe bool // every value is 1
}

// whole reports whether a text is one expression and nothing else.
func whole(text string) bool {
	at := expression().FindStringIndex(text)
	return at != nil && at[0] == 0 && at[1] == len(text)
}

// fill puts values in the place of expressions. In an address they are data: they cannot change its host, path or
// parameters. An address that is one expression is where the answer points, on the same origin.
func (a answered) fill(m Message) (Message, error) {
	var err error
	if whole(m.URL) {
		m.URL, err = a.location(m.URL)
	} else {
		m.URL, err = a.text(m.URL, escaped)
	}
	if err != nil {
		return m, err
	}
	plain := func(text string) (string, error) { return text, nil }
	if m.Body, err = a.text(m.Body, plain); err != nil {
		return m, err
	}
	headers := map[string]string{}
	for name, value := range m.Headers {
		if headers[name], err = a.text(value, plain); err != nil {
			return m, err
		}
	}
	m.Headers = headers
	query := map[string]json.RawMessage{}
	for name, raw := range m.Query {
		if query[name], err = a.json(raw); err != nil {
			return m, err
		}
	}
	m.Query = query
	if len(m.JSON) > 0 {
		m.JSON, err = a.json(m.JSON)
	}
	return m, err
}

// escaped makes a value harmless in an address.
func escaped(text string) (string, error) {
	if text == "" || text == "." || text == ".." {
		return "", fault.New(fault.Failed, "the answer has %q where the undo_request needs a name", text).At("params.undo_request.url")
	}
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20"), nil
}

func (a answered) location(text string) (string, error) {
	to, err := a.text(text, func(text string) (string, error) { return text, nil })
	if err != nil || a.probe {
		return to, err
	}
	base, err := url.Parse(a.out.URL)
	if err != nil {
		return "", fault.As(fault.Failed, err, "the address of the answer is damaged")
	}
	u, err := base.Parse(to)
	if err != nil || origin(u) != origin(base) {
		return "", fault.New(fault.Forbidden, "the answer points to another host, where the undo does not follow: %.200q", to).At("params.undo_request.url")
	}
	return u.String(), nil
}

// text fills a text.
func (a answered) text(text string, safe func(string) (string, error)) (string, error) {
	var failure error
	filled := expression().ReplaceAllStringFunc(text, func(found string) string {
		value, err := a.value(found[2 : len(found)-1])
		var s string
		switch v := value.(type) {
		case string:
			s = v
		case json.Number:
			s = v.String()
		case bool:
			s = strconv.FormatBool(v)
		default:
			if err == nil {
				err = fault.New(fault.Failed, "%s is no single value", found).At("params.undo_request")
			}
		}
		if err == nil {
			s, err = safe(s)
		}
		if failure == nil {
			failure = err
		}
		return s
	})
	return filled, failure
}

// json fills the texts in a JSON value. One that is an expression and nothing else becomes what it stands for.
func (a answered) json(raw json.RawMessage) (json.RawMessage, error) {
	v, err := decode(raw)
	if err == nil {
		v, err = a.deep(v)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func (a answered) deep(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case string:
		if whole(v) {
			return a.value(v[2 : len(v)-1])
		}
		return a.text(v, func(text string) (string, error) { return text, nil })
	case []any:
		for i := range v {
			if v[i], err = a.deep(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = a.deep(v[name]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// value is what an expression stands for.
func (a answered) value(path string) (any, error) {
	parts := strings.Split(path, ".")
	if !slices.Contains([]string{"json", "headers", "status", "key"}, parts[0]) {
		return nil, fault.New(fault.Invalid, "${%s} is none of ${json…}, ${headers…}, ${status} and ${key}", path).At("params.undo_request")
	}
	switch {
	case a.probe:
		return "1", nil
	case path == "key":
		return a.key, nil
	case a.out == nil:
		return nil, fault.New(fault.Failed, "nobody knows what the service answered, and ${%s} is needed to take it back; look there", path)
	case path == "status":
		return json.Number(strconv.Itoa(a.out.Status)), nil
	}
	var v any
	var err error
	if parts[0] == "headers" {
		headers := map[string]any{}
		for name, value := range a.out.Headers {
			headers[name] = value
		}
		v = headers
	} else if v, err = decode(a.out.JSON); err != nil {
		return nil, fault.New(fault.Failed, "the answer was no JSON, and ${%s} is needed to take it back", path)
	}
	for _, name := range parts[1:] {
		if v = child(v, name); v == nil {
			return nil, fault.New(fault.Failed, "the answer has no ${%s}, which is needed to take it back", path)
		}
	}
	return v, nil
}

func child(v any, name string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[name]
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// decode reads JSON and keeps its numbers as they are written.
func decode(raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}
