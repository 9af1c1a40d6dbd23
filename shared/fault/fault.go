// Package fault gives errors a kind that survives HTTP. Programs act on the kind, people read the
// message, and operators find the cause in the log.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind says what a caller can do about an error. It is a wire format: never rename a value.
type Kind string

// The kinds. The table in http.go gives each its HTTP status.
const (
	Invalid      Kind = "invalid"      // the request is wrong; sending it again cannot help
	Unauthorized Kind = "unauthorized" // who asks is not proven
	Forbidden    Kind = "forbidden"    // who asks may not do this
	NotFound     Kind = "not_found"    // there is no such thing
	Conflict     Kind = "conflict"     // the world is not what the request assumed
	Stale        Kind = "stale"        // the caller's claim was taken over by another holder
	TooLarge     Kind = "too_large"    // over a size, depth or count limit
	Failed       Kind = "failed"       // tried, and certainly without effect; trying again cannot help
	Limited      Kind = "limited"      // over a rate or a budget; After says when to come back
	Internal     Kind = "internal"     // a defect of ours
	Unknown      Kind = "unknown"      // it may or may not have happened
	Unavailable  Kind = "unavailable"  // something needed is away; certainly without effect, try again
	Timeout      Kind = "timeout"      // no answer in time; it may or may not have happened
)

// Error is an error with a kind. Message, Field and Next are for people; Err is for the log only and
// never crosses HTTP.
type Error struct {
	Kind    Kind
	Message string
	Field   string        // the place of a bad input, such as "steps[1].params.sql" or "line 3, column 7"
	Next    string        // the command or action that mends it
	After   time.Duration // when to try again, with Limited and Unavailable
	Changes []Change      // with Conflict: what is not as it was left
	Err     error
}

// New makes an error of kind with a message for people.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap puts a message for people in front of err and keeps err's kind. It returns nil for nil.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	wrapped := &Error{Kind: KindOf(err), Message: fmt.Sprintf(format, args...), Err: err}
	if inner, ok := errors.AsType[*Error](err); ok {
		wrapped.Message += ": " + inner.Message
		wrapped.Field, wrapped.Next, wrapped.After, wrapped.Changes = inner.Field, inner.Next, inner.After, inner.Changes
	}
	return wrapped
}

// As gives err the kind k, with a message for people. The cause stays in the log.
func As(k Kind, err error, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...), Err: err}
}

// At returns e with the place of the bad input.
func (e *Error) At(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// Try returns e with the next command for the reader.
func (e *Error) Try(next string) *Error {
	c := *e
	c.Next = next
	return &c
}

// In returns e with the time after which trying again makes sense.
func (e *Error) In(after time.Duration) *Error {
	c := *e
	c.After = after
	return &c
}

// Error returns place, message and cause: the line for a log. People get Text.
func (e *Error) Error() string {
	s := e.Message
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost Error in err's chain. Deadlines are Timeout; any other
// error without a kind is Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Timeout
	}
	return Internal
}

// Is reports whether err has the kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// Text returns what a person may see of err: message, place and next command, without the cause. An
// error without a kind shows as "internal error".
func Text(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		if KindOf(err) == Timeout {
			return "no answer in time"
		}
		return "internal error"
	}
	s := e.Message
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Next != "" {
		s += " (next: " + e.Next + ")"
	}
	return s
}

// Retryable reports whether the same call may be made again and can succeed. With Unknown and Timeout
// only an idempotent call may be.
func Retryable(err error) bool {
	switch KindOf(err) {
	case Limited, Unavailable, Unknown, Timeout:
		return true
	default:
		return false
	}
}

// InDoubt reports whether the call that returned err may have taken effect.
func InDoubt(err error) bool {
	k := KindOf(err)
	return k == Unknown || k == Timeout || k == Internal
}

// After returns the time after which a retry makes sense, or zero.
func After(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.After
	}
	return 0
}
