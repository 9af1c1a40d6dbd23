package fault

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"
)

// kinds is the one table between kinds and HTTP statuses. Where several kinds share a status, the body
// tells them apart.
var kinds = map[Kind]int{
	Invalid:      http.StatusBadRequest,
	Unauthorized: http.StatusUnauthorized,
	Forbidden:    http.StatusForbidden,
	NotFound:     http.StatusNotFound,
	Conflict:     http.StatusConflict,
	Stale:        http.StatusPreconditionFailed,
	TooLarge:     http.StatusRequestEntityTooLarge,
	Failed:       http.StatusUnprocessableEntity,
	Limited:      http.StatusTooManyRequests,
	Internal:     http.StatusInternalServerError,
	Unknown:      http.StatusBadGateway,
	Unavailable:  http.StatusServiceUnavailable,
	Timeout:      http.StatusGatewayTimeout,
}

// maxBody bounds what Read takes of an error's body.
const maxBody = 64 << 10

// wire is an error as it crosses HTTP: {"error":{"kind":…,"message":…}}.
type wire struct {
	Error wireError `json:"error"`
}

type wireError struct {
	Kind    Kind     `json:"kind"`
	Message string   `json:"message"`
	Field   string   `json:"field,omitempty"`
	Next    string   `json:"next,omitempty"`
	AfterMS int64    `json:"after_ms,omitempty"`
	Changes []Change `json:"changes,omitempty"`
}

// Status returns the HTTP status of err.
func Status(err error) int { return kinds[KindOf(err)] }

// Write answers a request with err: its status, its kind and what a person may see of it.
func Write(w http.ResponseWriter, err error) {
	body := wireError{Kind: KindOf(err), Message: Text(err)}
	if e, ok := errors.AsType[*Error](err); ok {
		body.Message, body.Field, body.Next = e.Message, e.Field, e.Next
		body.AfterMS, body.Changes = e.After.Milliseconds(), bounded(e.Changes)
	}
	if body.AfterMS > 0 {
		seconds := math.Ceil(float64(body.AfterMS) / 1000)
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(kinds[body.Kind])
	// The client may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(wire{body})
}

// Read returns nil for a 2xx response and otherwise the error that Write put there. A body that Write
// did not make still gives the kind of its status. It reads the body of an error, and leaves that of a
// success alone.
func Read(resp *http.Response) error {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return As(kindOf(resp.StatusCode), err, "status %d, body cut short", resp.StatusCode)
	}
	var got wire
	if json.Unmarshal(raw, &got) != nil || kinds[got.Error.Kind] == 0 {
		e := New(kindOf(resp.StatusCode), "status %d: %.200s", resp.StatusCode, raw)
		return e.In(retryAfter(resp.Header.Get("Retry-After")))
	}
	return &Error{
		Kind: got.Error.Kind, Message: got.Error.Message, Field: got.Error.Field, Next: got.Error.Next,
		After: time.Duration(got.Error.AfterMS) * time.Millisecond, Changes: bounded(got.Error.Changes),
	}
}

// kindOf returns the kind of a status that did not come from Write.
func kindOf(status int) Kind {
	for kind, s := range kinds {
		if s == status {
			return kind
		}
	}
	if status >= 400 && status < 500 {
		return Invalid
	}
	return Internal
}

// retryAfter parses the seconds form of Retry-After (RFC 9110, section 10.2.3).
func retryAfter(value string) time.Duration {
	seconds, err := strconv.Atoi(value)
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
