package strictjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/hearthfaas/hearth/shared/fault"
)

// checkKeys walks raw, which is valid JSON, along the type t it was decoded into. encoding/json takes the
// last of two equal keys and any case of a field's name; both would let two readers of one text disagree.
func checkKeys(raw []byte, t reflect.Type) error {
	w := walker{raw: raw}
	p := w.value(t)
	if p == nil {
		return nil
	}
	return fault.New(fault.Invalid, "%s", p.text()).At(Place(raw, int64(p.offset)))
}

// problem is a key that must not be there. Its path grows while the walk unwinds.
type problem struct {
	what, path, hint string
	offset           int
}

func (p *problem) text() string {
	s := p.what
	if p.path != "" {
		s += " in " + strings.TrimPrefix(p.path, ".")
	}
	return s + p.hint
}

func (p *problem) within(segment string) *problem {
	p.path = segment + p.path
	return p
}

// walker is a position in valid JSON, so it checks nothing of the syntax.
type walker struct {
	raw []byte
	pos int
}

// value walks one value. A nil type knows no fields: only repeated keys are a problem there.
func (w *walker) value(t reflect.Type) *problem {
	w.space()
	switch w.raw[w.pos] {
	case '{':
		return w.object(bare(t))
	case '[':
		return w.array(bare(t))
	case '"':
		w.text()
	default:
		w.pos += literal(w.raw[w.pos:])
	}
	return nil
}

func (w *walker) object(t reflect.Type) *problem {
	known := fieldsOf(t)
	seen := map[string]bool{}
	for w.pos++; w.next('}'); {
		at := w.pos
		key := w.text()
		if seen[key] {
			return &problem{what: strconv.Quote(key) + " appears twice", offset: at}
		}
		seen[key] = true
		inner := element(t)
		if known != nil {
			field, ok := known.types[key]
			if !ok {
				return &problem{what: "unknown field " + strconv.Quote(key), hint: known.hint(), offset: at}
			}
			inner = field
		}
		w.space()
		w.pos++ // the colon
		if p := w.value(inner); p != nil {
			return p.within("." + key)
		}
	}
	return nil
}

func (w *walker) array(t reflect.Type) *problem {
	i := 0
	for w.pos++; w.next(']'); i++ {
		if p := w.value(element(t)); p != nil {
			return p.within("[" + strconv.Itoa(i) + "]")
		}
	}
	return nil
}

// next moves to the next member or element and reports whether there is one before end, which it eats.
func (w *walker) next(end byte) bool {
	w.space()
	if w.raw[w.pos] == ',' {
		w.pos++
		w.space()
	}
	if w.raw[w.pos] == end {
		w.pos++
		return false
	}
	return true
}

// text reads a string.
func (w *walker) text() string {
	start := w.pos
	for w.pos++; w.raw[w.pos] != '"'; w.pos++ {
		if w.raw[w.pos] == '\\' {
			w.pos++
		}
	}
	w.pos++
	quoted := w.raw[start:w.pos]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return string(quoted) // cannot be: the decoder accepted it
	}
	return s
}

func (w *walker) space() {
	for w.pos < len(w.raw) && strings.IndexByte(" \t\r\n", w.raw[w.pos]) >= 0 {
		w.pos++
	}
}

// literal returns the length of the number, true, false or null that raw begins with.
func literal(raw []byte) int {
	if n := bytes.IndexAny(raw, ",]} \t\r\n"); n >= 0 {
		return n
	}
	return len(raw)
}

// fields are the names that a struct takes, in the order of the struct.
type fields struct {
	types map[string]reflect.Type
	names []string
}

func (f *fields) hint() string {
	if len(f.names) == 0 {
		return ""
	}
	return "; known: " + strings.Join(f.names, ", ")
}

// known remembers the fields of types: there are as many as the program has types.
var known sync.Map

// fieldsOf returns the fields of a struct type, and nil for any other.
func fieldsOf(t reflect.Type) *fields {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	if f, ok := known.Load(t); ok {
		return f.(*fields)
	}
	f := &fields{types: map[string]reflect.Type{}}
	for _, field := range reflect.VisibleFields(t) {
		tag := field.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if !field.IsExported() || tag == "-" || field.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		f.types[name] = field.Type
		f.names = append(f.names, name)
	}
	known.Store(t, f)
	return f
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// bare strips pointers. A type that decodes itself is opaque, as is an interface: both give nil.
func bare(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface || reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	return t
}

// element returns the type of the elements of a slice, array or map.
func element(t reflect.Type) reflect.Type {
	if t == nil {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return t.Elem()
	default:
		return nil
	}
}
