package ledger

import (
	"strconv"

	"github.com/hearthfaas/hearth/shared/fault"
)

// fenced turns the negative answers of a script into errors.
func (l *Ledger) fenced(c Claim) func(any, error) error {
	return func(raw any, err error) error {
		if err != nil {
			return err
		}
		switch raw.(int64) {
		case -1:
			return fault.New(fault.Stale, "%s has another holder now", c.Lane)
		case -2:
			return fault.New(fault.Conflict, "another line stands in the journal of %s", c.Lane)
		case -3:
			return fault.New(fault.TooLarge, "the journal of %s is full", c.Lane)
		case -4:
			return fault.New(fault.Forbidden, "%s was stopped", c.Lane)
		}
		return nil
	}
}

// seal is Seal for what may be missing: nothing stays nothing.
func seal(box interface{ Seal(string, []byte) []byte }, field string, plain []byte) []byte {
	if plain == nil {
		return nil
	}
	return box.Seal(field, plain)
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		out = append(out, text(item))
	}
	return out
}

// pairs reads the fields of a hash.
func pairs(flat []string) map[string]string {
	if len(flat) == 0 {
		return nil
	}
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		fields[flat[i]] = flat[i+1]
	}
	return fields
}

// ints reads an array of integers, which Lua may give as numbers or text.
func ints(raw any, err error) ([]int64, error) {
	if err != nil {
		return nil, err
	}
	list, _ := raw.([]any)
	out := make([]int64, len(list))
	for i, item := range list {
		switch v := item.(type) {
		case int64:
			out[i] = v
		case string:
			if out[i], err = strconv.ParseInt(v, 10, 64); err != nil {
				return nil, fault.As(fault.Internal, err, "the store's answer")
			}
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Internal, "the store's answer is empty")
	}
	return out, nil
}
