package channel_test

import (
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

// inDoubt is a run of which nobody knows whether some steps happened.
func inDoubt(id, user string, steps ...string) map[string]any {
	list := []map[string]any{{"id": "sheet", "title": "Sheet", "state": "done"}}
	for _, s := range steps {
		list = append(list, map[string]any{"id": s, "title": "Mail", "state": "unknown", "settle": true})
	}
	return map[string]any{"id": id, "title": "Report", "user": user, "state": "needs_human", "steps": list}
}

func TestSettle(t *testing.T) {
	const other = "r3f-bbbbbbbbbb"
	mine, theirs := inDoubt(run, "ann", "mail", "note"), inDoubt(other, "eve", "post")
	const did, didNot = `/settle {"did":true,"step":"mail"}`, `/settle {"did":false,"step":"mail"}`
	settles := func(body string) string { return "ann member /runs/" + run + body }
	const looks = `ann member /runs {"limit":200}`
	exact := "`/settle " + run + " mail happened` or `/settle " + run + " mail did-not`"
	for name, c := range map[string]struct {
		in    message.Inbound
		runs  []map[string]any
		want  string // the last call to system-tasks; empty: none
		said  string
		never string
		talk  bool // it goes the way of all messages
	}{
		"it happened":           {in: from("ann", "1", "/settle "+run+" mail happened"), want: settles(did), said: "`mail` happened."},
		"it did not":            {in: from("ann", "1", "/settle "+run+" mail did-not"), want: settles(didNot), said: "`mail` did not happen."},
		"not":                   {in: from("ann", "1", "/settle `"+run+"` `mail` NOT"), want: settles(didNot), said: "did not happen"},
		"in two words":          {in: from("ann", "1", "/settle "+run+" mail did not"), want: settles(didNot), said: "did not happen"},
		"in Chinese":            {in: from("ann", "1", "/settle "+run+" mail 已发生"), want: settles(did), said: "步骤 `mail` 已发生"},
		"not, in Chinese":       {in: from("ann", "1", "/settle "+run+" mail 未发生"), want: settles(didNot), said: "步骤 `mail` 未发生"},
		"by a button":           {in: pressed("ann", "1", "y:"+run+":mail"), want: settles(did), said: "`mail` happened."},
		"by the other button":   {in: pressed("ann", "1", "n:"+run+":mail"), want: settles(didNot), said: "did not happen"},
		"what else is in doubt": {in: from("ann", "1", "/settle "+run+" mail happened"), want: settles(did), said: "/settle " + run + " note happened"},
		"nothing said":          {in: from("ann", "1", "/settle"), runs: []map[string]any{theirs, mine}, want: looks, said: exact, never: other},
		"only the run":          {in: from("ann", "1", "/settle "+run), runs: []map[string]any{mine, inDoubt(other, "ann", "x")}, want: looks, said: exact, never: other},
		"no outcome":            {in: from("ann", "1", "/settle "+run+" mail maybe"), runs: []map[string]any{mine}, want: looks, said: exact},
		"in words":              {in: from("ann", "1", "核实"), runs: []map[string]any{mine}, want: looks, said: "/settle " + run + " mail happened"},
		"nothing in doubt":      {in: from("ann", "1", "/settle"), runs: []map[string]any{inDoubt(run, "ann")}, want: looks, said: "Nothing waits"},
		"words without a doubt": {in: from("ann", "1", "settle"), runs: []map[string]any{inDoubt(run, "ann")}, want: looks, talk: true},
		"a guest":               {in: from("bob", "1", "/settle "+run+" mail happened"), said: "Nothing waits"},
		"words of a guest":      {in: from("bob", "1", "settle"), talk: true},
		"no run":                {in: from("ann", "1", "/settle ../../stop mail happened"), said: "no such run"},
		"a button without step": {in: pressed("ann", "1", "y:"+run), talk: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.know("ann", "ann", policy.Member)
			w.tasks = func(path, _ string) (any, error) {
				if path == "/runs" {
					return map[string]any{"runs": c.runs}, nil
				}
				return inDoubt(run, "ann", "note"), nil
			}
			w.taken(c.in)
			last := ""
			if calls := w.asked(); len(calls) > 0 {
				last = calls[len(calls)-1]
			}
			said := flatten(strings.ReplaceAll(strings.Join(w.heard(), " "), "/say ", ""))
			if last != c.want || !strings.Contains(said, flatten(strings.ReplaceAll(c.said, "`", ""))) || c.never != "" && strings.Contains(said, c.never) {
				t.Errorf("system-tasks heard %q, want %q; said %q, want %q", last, c.want, said, c.said)
			}
			if got := w.inbox(chatOf(c.in.From.ID)); (got != nil) != c.talk {
				t.Errorf("accepted %+v", got)
			}
		})
	}
}

// TestSettleHasTheRightsOfTheSpeaker: who may not settle a run hears why, and nothing else is tried.
func TestSettleHasTheRightsOfTheSpeaker(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann", policy.Member)
	w.tasks = func(string, string) (any, error) { return nil, fault.New(fault.Forbidden, "it is a run of eve") }
	w.taken(pressed("ann", "1", "y:"+run+":mail"))
	if said := flatten(strings.Join(w.heard(), "")); !strings.Contains(said, "itisarunofeve") || len(w.asked()) != 1 {
		t.Errorf("said %q after %q", said, w.asked())
	}
}

func TestSettleButtons(t *testing.T) {
	long := strings.Repeat("s", 48) // y:<run>:<step> is a byte more than fits
	rows := channel.SettleButtons("en", run, []string{"mail", long})
	if len(rows) != 1 || len(rows[0]) != 2 || rows[0][0].Value != "y:"+run+":mail" || rows[0][1].Value != "n:"+run+":mail" {
		t.Errorf("%+v", rows)
	}
	if rows := channel.SettleButtons("en", run, strings.Split("abcde", "")); rows != nil {
		t.Errorf("a wall of buttons: %+v", rows)
	}
}
