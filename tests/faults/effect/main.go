// Command effect is a plugin of the fault suite, written as anybody would write one. Its effects happen in the
// world, at a backend that does not recognise a call that comes again.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

func main() { os.Exit(fn.Run(function, os.Args[1:])) }

// in are the parameters. Op: apply can be taken back, once cannot, crash ends this process after its effect, the
// first time, stuck can be taken back in word only, fail has no effect and says so.
type in struct {
	Op   string `json:"op" jsonschema:"apply, once, crash, stuck or fail"`
	Wait int    `json:"wait,omitempty" jsonschema:"milliseconds that the backend takes after its effect"`
}

type out struct {
	Key string `json:"key"`
}

var function = plugin.Define(plugin.Spec{
	ID:      "effect",
	Title:   manifest.Phrase{En: "Effect", Zh: "效果"},
	Summary: "Has an effect in the world of the fault suite.",
	Effect:  manifest.Irreversible,
	Ops: map[string]manifest.Op{
		"apply": {Effect: manifest.Compensable, Undo: true},
		"crash": {Effect: manifest.Compensable, Undo: true},
		"stuck": {Effect: manifest.Compensable, Undo: true},
		"fail":  {Effect: manifest.Compensable, Undo: true},
		"once":  {Effect: manifest.Irreversible},
	},
	Grants:  manifest.Grants{Hosts: []string{"config:EFFECT_URL"}, Secrets: []string{"EFFECT_URL"}},
	Intent:  manifest.Intent{Phrases: []string{"effect of the fault suite"}, Order: 10, Example: map[string]any{"op": "apply"}},
	Version: "1",
}, act, plugin.Undo(takeBack))

// act has the effect. One that can be taken back is looked for first, by its key: the engine may call again
// when an answer was lost. What can not be is simply done, and the engine has to know better than to ask twice.
func act(c *plugin.Call, p in) (out, error) {
	if p.Op == "fail" {
		return out{}, fault.New(fault.Failed, "refused, as was asked for")
	}
	if p.Op != "once" {
		s, err := look(c)
		switch {
		case err != nil:
			return out{}, fault.As(fault.Unavailable, err, "the backend does not say what was done")
		case s.Undid > 0:
			return out{}, fault.New(fault.Conflict, "this was taken back")
		case s.Did > 0:
			return out{c.Key}, nil
		}
	}
	s, err := call(c, "do", p)
	if err == nil && p.Op == "crash" && s.Called == 1 {
		os.Exit(2)
	}
	return out{c.Key}, err
}

// takeBack undoes what is done, and nothing else.
func takeBack(c *plugin.Call, p in, _ *out) error {
	s, err := look(c)
	if err != nil {
		return fault.As(fault.Unavailable, err, "the backend does not say what was done")
	}
	if s.Did <= s.Undid {
		return nil
	}
	_, err = call(c, "undo", p)
	return err
}

// state is what the backend knows of a key.
type state struct{ Did, Undid, Called int }

func look(c *plugin.Call) (state, error) {
	req, err := http.NewRequestWithContext(c, http.MethodGet, c.Setting("EFFECT_URL", "")+"/effects?key="+url.QueryEscape(c.Key), nil)
	if err != nil {
		return state{}, err
	}
	return do(req)
}

func call(c *plugin.Call, op string, p in) (state, error) {
	body, err := json.Marshal(map[string]any{"key": c.Key, "op": op, "kind": p.Op, "wait_ms": p.Wait})
	if err != nil {
		return state{}, err
	}
	req, err := http.NewRequestWithContext(c, http.MethodPost, c.Setting("EFFECT_URL", "")+"/effects", bytes.NewReader(body))
	if err != nil {
		return state{}, err
	}
	return do(req)
}

// do makes a request. A backend that was not reached, or that refused, did nothing; else nobody knows.
func do(req *http.Request) (state, error) {
	resp, err := http.DefaultClient.Do(req)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return state{}, fault.As(fault.Unavailable, err, "the backend is away")
	}
	if err != nil {
		return state{}, fault.As(fault.Unknown, err, "the backend gave no answer")
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return state{}, fault.As(fault.Unknown, err, "the backend's answer broke off")
	}
	if resp.StatusCode != http.StatusOK {
		return state{}, fault.New(fault.Unavailable, "the backend refused with status %d", resp.StatusCode)
	}
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return state{}, fault.As(fault.Unknown, err, "the backend's answer cannot be read")
	}
	return s, nil
}
