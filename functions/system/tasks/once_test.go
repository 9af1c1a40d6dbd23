package tasks_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/flow"
)

// made posts something that makes a run, and returns its id.
func (d *desk) made(who, path, body string, keys ...string) string {
	d.t.Helper()
	code, text := d.keyed(who, http.MethodPost, path, body, keys...)
	var out struct{ ID, Run string }
	if err := json.Unmarshal([]byte(text), &out); code != http.StatusOK || err != nil || out.ID+out.Run == "" {
		d.t.Fatalf("%s: %d %s", path, code, text)
	}
	return out.ID + out.Run
}

// TestAKeyMakesOneRun: whoever repeats a request after a lost answer gets the run that it made.
func TestAKeyMakesOneRun(t *testing.T) {
	d := open(t, nil)
	old, _ := d.waiting("required")
	for path, body := range map[string]string{"/runs/" + old + "/fork": `{"set":{"m.to":"cy"}}`, "/asks/run": `{"params":{"to":"cy"}}`} {
		key := `"8e03978e of ` + path + `"`
		first := d.made("ann/member", path, body, key)
		runs, rings := d.count(), len(d.rings)
		if again := d.made("ann/member", path, body, key); again != first || d.count() != runs || len(d.rings) != rings {
			t.Errorf("%s: %s, and again %s: %d runs, rings %q", path, first, again, d.count(), d.rings[rings:])
		}
		if plain := d.made("ann/member", path, body); plain == first {
			t.Errorf("%s: without a key it is the same run", path)
		}
		if other := d.made("ann/member", path, body, `"another of `+path+`"`); other == first {
			t.Errorf("%s: another key makes the same run", path)
		}
		if theirs := d.made("bo/operator", path, body, key); theirs == first {
			t.Errorf("%s: somebody else has the same key, and gets the run", path)
		}
		code, text := d.keyed("ann/member", http.MethodPost, path, `{}`, key)
		if code != http.StatusConflict || !strings.Contains(text, "another request, which made the run "+first) {
			t.Errorf("%s: another body under the key: %d %s", path, code, text)
		}
	}
}

// count is how many runs there are.
func (d *desk) count() int {
	d.t.Helper()
	runs, err := d.ledger.Runs(d.t.Context(), 100, false)
	if err != nil {
		d.t.Fatal(err)
	}
	return len(runs)
}

// TestAKeyIsForOnePath: the same key and body for another run, or a task, is another request.
func TestAKeyIsForOnePath(t *testing.T) {
	d := open(t, nil)
	first, _ := d.waiting("required")
	second := d.made("ann/member", "/asks/run", `{}`)
	d.made("ann/member", "/runs/"+first+"/fork", `{}`, `"k"`)
	for _, path := range []string{"/runs/" + second + "/fork", "/asks/run"} {
		if code, text := d.keyed("ann/member", http.MethodPost, path, `{}`, `"k"`); code != http.StatusConflict {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
}

// TestAKeyOutlivesWhatMadeTheRun: the answer is the run that was made, also when the request would be refused by now.
func TestAKeyOutlivesWhatMadeTheRun(t *testing.T) {
	d := open(t, nil)
	d.waiting("never")
	run := d.made("ann/member", "/asks/run", `{"params":{"to":"cy"}}`, `"k"`)
	d.as("ann/member", http.MethodPut, "/asks", `{"task_id":"asks","steps":[{"id":"m","plugin":"mail","params":{"to":"bo"}}]}`)
	if code, _ := d.as("ann/member", http.MethodPost, "/asks/run", `{"params":{"to":"cy"}}`); code != http.StatusBadRequest {
		t.Fatalf("the task still takes the value: %d", code)
	}
	if again := d.made("ann/member", "/asks/run", `{"params":{"to":"cy"}}`, `"k"`); again != run {
		t.Errorf("%s, then %s", run, again)
	}
	if at := d.look(run).Created; !at.Before(nine.Add(time.Second)) {
		t.Errorf("created at %v", at)
	}
}

// TestOneKeyAtTheSameMoment: of many requests, one makes the run and all are answered with it.
func TestOneKeyAtTheSameMoment(t *testing.T) {
	d := open(t, nil)
	old, _ := d.waiting("required")
	before := d.count()
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			_, text := d.keyed("ann/member", http.MethodPost, "/runs/"+old+"/fork", `{}`, `"k"`)
			var v flow.View
			if err := json.Unmarshal([]byte(text), &v); err == nil {
				ids[i] = v.ID
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("answered with %q", ids)
		}
	}
	if made := d.count() - before; made != 1 {
		t.Errorf("%d runs", made)
	}
}

func TestKeysThatAreNone(t *testing.T) {
	d := open(t, nil)
	d.waiting("never")
	long := `"` + strings.Repeat("k", 256) + `"`
	for name, keys := range map[string][]string{
		"not in quotes": {"abc"}, "empty": {""}, "nothing in the quotes": {`""`}, "too long": {long}, "two": {`"a"`, `"b"`},
		"a list": {`"a", "b"`}, "with a parameter": {`"a";n=1`}, "no text": {"\"\u00e9\""}, "an escape of nothing": {`"\a"`},
	} {
		if code, text := d.keyed("ann/member", http.MethodPost, "/asks/run", `{}`, keys...); code != http.StatusBadRequest || !strings.Contains(text, "Idempotency-Key") {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
	for _, key := range []string{`"` + strings.Repeat("k", 255) + `"`, ` "a b" `, `"\"\\"`} {
		d.made("ann/member", "/asks/run", `{}`, key)
	}
}
