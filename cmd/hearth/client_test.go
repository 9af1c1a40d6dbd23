package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
)

// TestWhatMakesSomethingIsAskedForOnceMore, under one key, when the connection broke before the answer.
func TestWhatMakesSomethingIsAskedForOnceMore(t *testing.T) {
	for name, c := range map[string]struct {
		breaks int
		status int
		asked  int
		kind   fault.Kind
	}{
		"answered at once":     {0, 200, 1, ""},
		"a lost answer":        {1, 200, 2, ""},
		"two lost answers":     {2, 200, 2, fault.Unknown},
		"refused":              {0, 409, 1, fault.Conflict},
		"refused the 2nd time": {1, 409, 2, fault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex // a connection that broke ends no handler
			var keys, bodies []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				mu.Lock()
				defer mu.Unlock()
				keys, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(bodies, string(body))
				if len(keys) <= c.breaks {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, `{"run":"r3f-a"}`)
			}))
			defer server.Close()
			cl := &client{base: server.URL, http: server.Client()}
			out, _, err := fetchNew[struct{ Run string }](t.Context(), cl, "/x", map[string]bool{"now": true})
			if c.kind == "" && (err != nil || out.Run != "r3f-a") || c.kind != "" && !fault.Is(err, c.kind) {
				t.Errorf("%+v %v", out, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(keys) != c.asked || len(slices.Compact(keys)) != 1 || len(keys[0]) < 10 || len(slices.Compact(bodies)) != 1 || bodies[0] != `{"now":true}` {
				t.Errorf("asked with %q: %q", keys, bodies)
			}
		})
	}
}
