package journal_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/policy"
)

const schema = `{"type":"object","additionalProperties":false,"properties":{
	"op":{"type":"string"},"to":{"type":"array","items":{"type":"string"}},"body":{"type":"string"},
	"path":{"type":"string","x-file":"write"},"from":{"type":"string","x-file":"read"},"n":{"type":"integer"}}}`

func plugins() []manifest.Manifest {
	one := func(id string, effect manifest.Effect) manifest.Manifest {
		return manifest.Manifest{
			ID: id, Title: manifest.Phrase{En: "The " + id, Zh: "插件" + id}, Effect: effect, Undo: effect == manifest.Compensable,
			Params: json.RawMessage(schema), Control: []string{"to", "path"},
		}
	}
	files := one("files", manifest.Irreversible)
	files.Ops = map[string]manifest.Op{"list": {Effect: manifest.Read}, "move": {Effect: manifest.Compensable, Undo: true}}
	return []manifest.Manifest{
		one("look", manifest.Read), one("set", manifest.Idempotent), one("sheet", manifest.Compensable), one("mail", manifest.Irreversible),
		one("odd", "surprising"), files,
	}
}

var noon = time.Date(2026, 1, 2, 20, 0, 0, 0, time.UTC)

func request(t *testing.T, steps string) journal.Request {
	t.Helper()
	plan, err := flow.Parse([]byte(`{"steps":[` + steps + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return journal.Request{
		ID: "r3f-abcdefghij", Plan: flow.Normalize(plan), By: policy.Principal{User: "ann", Role: policy.Member}, Origin: journal.FromChat,
		Lang: "en", Zone: zone, Now: noon, Recall: 30 * time.Second, Domains: []string{"home.example"},
	}
}

func TestPrepareRefusesWithThePlace(t *testing.T) {
	for name, c := range map[string]struct{ steps, place, text string }{
		"unknown plugin":     {`{"plugin":"look"},{"plugin":"teleport"}`, "steps[1].plugin", "look, set, sheet"},
		"unknown parameter":  {`{"plugin":"mail","params":{"bcc":"x"}}`, "steps[0]", "bcc"},
		"wrong type":         {`{"plugin":"look"},{"plugin":"set","params":{"n":"three"}}`, "steps[1]", "n"},
		"one wrong of a few": {`{"plugin":"mail","params":{"to":["a@b.cd",7]}}`, "steps[0]", "to"},
	} {
		_, err := journal.Prepare(request(t, c.steps), plugins())
		text := fault.Text(err)
		if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(text, c.place) || !strings.Contains(text, c.text) {
			t.Errorf("%s: %v: %s", name, fault.KindOf(err), text)
		}
	}
	// What is not known yet is checked when it is.
	if _, err := journal.Prepare(request(t, `{"id":"a","plugin":"look"},{"plugin":"set","params":{"n":"{{steps.a.n}}"}}`), plugins()); err != nil {
		t.Error(err)
	}
}

func TestWhoMustApprove(t *testing.T) {
	mail, never, always := `{"plugin":"mail"}`, `{"plugin":"mail","approval":"never"}`, `{"plugin":"look","approval":"required"}`
	for name, c := range map[string]struct {
		origin, steps string
		ask, dry      bool
		want          bool
	}{
		"mail in a chat":                      {journal.FromChat, mail, false, false, true},
		"mail by a message task":              {journal.FromMessage, mail, false, false, true},
		"mail by schedule":                    {journal.FromTask, mail, false, false, false},
		"mail by webhook":                     {journal.FromWebhook, mail, false, false, false},
		"mail by hand":                        {journal.FromHand, mail, false, false, false},
		"never does not count in a chat":      {journal.FromChat, never, false, false, true},
		"never counts for a message task":     {journal.FromMessage, never, false, false, false},
		"required counts by schedule":         {journal.FromTask, always, false, false, true},
		"required of a later step":            {journal.FromTask, mail + "," + always, false, false, true},
		"reversible in a chat":                {journal.FromChat, `{"plugin":"look"},{"plugin":"set"},{"plugin":"sheet"}`, false, false, false},
		"an unknown effect is irreversible":   {journal.FromChat, `{"plugin":"odd"}`, false, false, true},
		"an operation has its own effect":     {journal.FromChat, `{"plugin":"files","params":{"op":"move"}}`, false, false, false},
		"an unknown operation has the worst":  {journal.FromChat, `{"plugin":"files","params":{"op":"burn"}}`, false, false, true},
		"an operation to be known only later": {journal.FromChat, `{"id":"a","plugin":"look"},{"plugin":"files","params":{"op":"{{steps.a.op}}"}}`, false, false, true},
		"asked for":                           {journal.FromTask, `{"plugin":"look"}`, true, false, true},
		"a dry run":                           {journal.FromChat, mail, true, true, false},
	} {
		r := request(t, c.steps)
		r.Origin, r.Ask, r.DryRun = c.origin, c.ask, c.dry
		h, err := journal.Prepare(r, plugins())
		if err != nil || h.Approve != c.want || h.Approve != h.Expires.Equal(noon.Add(journal.ApprovalFor)) {
			t.Errorf("%s: %v, until %v: %v", name, h.Approve, h.Expires, err)
		}
		if chat := c.origin == journal.FromChat || c.origin == journal.FromMessage; (h.Recall > 0) != chat {
			t.Errorf("%s: recall %v", name, h.Recall)
		}
	}
}

func TestCardShowsTheBlastRadius(t *testing.T) {
	h, err := journal.Prepare(request(t, `
		{"id":"q","plugin":"look","params":{"from":"/data/in.csv"}},
		{"id":"x","plugin":"sheet","params":{"path":"/output/{{date}}.xlsx"}},
		{"id":"m","plugin":"mail","params":{"to":["Bo <bo@home.example>","eve@other.example"],"from":"/output/a.pdf"}}`), plugins())
	if err != nil {
		t.Fatal(err)
	}
	c := h.Card
	want := []flow.Recipient{{To: "bo@home.example"}, {To: "eve@other.example", External: true}}
	if !slices.Equal(c.Recipients, want) {
		t.Errorf("recipients %+v", c.Recipients)
	}
	if c.Undoable != 2 || c.Total != 3 || !slices.Equal(c.Reads, []string{"/data/in.csv", "/output/a.pdf"}) || !slices.Equal(c.Writes, []string{"/output/2026-01-03.xlsx"}) {
		t.Errorf("%+v", c)
	}
	for i, part := range []string{"The look: /data/in.csv", "The sheet: → /output/2026-01-03.xlsx", "eve@other.example"} {
		if !strings.Contains(c.Lines[i], part) {
			t.Errorf("line %d is %q", i, c.Lines[i])
		}
	}
	if h.Date != "2026-01-03" || h.Zone != "Asia/Shanghai" {
		t.Errorf("the day of the run is %s in %s", h.Date, h.Zone)
	}
	if f := h.Facts["x"]; f.Effect != "compensable" || !f.Undo || f.UndoFor != journal.DefaultUndo {
		t.Errorf("%+v", f)
	}
}

// TestExternalRecipients: an address that only looks like ours is outside.
func TestExternalRecipients(t *testing.T) {
	for address, external := range map[string]bool{
		"a@home.example": false, "a@HOME.example": false, "a@sub.home.example": true, "a@home.example.evil.com": true,
		"home.example@evil.com": true, `"a@home.example"@evil.com`: true,
	} {
		raw, err := json.Marshal(map[string]any{"to": []string{address}})
		if err != nil {
			t.Fatal(err)
		}
		h, err := journal.Prepare(request(t, `{"plugin":"mail","params":`+string(raw)+`}`), plugins())
		if err != nil || len(h.Card.Recipients) != 1 || h.Card.Recipients[0].External != external {
			t.Errorf("%s: %+v %v", address, h.Card.Recipients, err)
		}
	}
}

func TestDigestFollowsThePlanOnly(t *testing.T) {
	first, err := journal.Prepare(request(t, `{"id":"a","plugin":"mail","params":{"to":["a@b.cd"],"body":"x"}}`), plugins())
	if err != nil {
		t.Fatal(err)
	}
	for steps, same := range map[string]bool{
		`{"plugin":"mail","id":"a","params":{ "body":"x", "to":["a@b.cd"] }}`:                    true,
		`{"id":"a","plugin":"mail","params":{"to":["a@b.cd"],"body":"x"},"on_error":"rollback"}`: true,
		`{"id":"a","plugin":"mail","params":{"to":["eve@b.cd"],"body":"x"}}`:                     false,
		`{"id":"a","plugin":"set","params":{"to":["a@b.cd"],"body":"x"}}`:                        false,
	} {
		r := request(t, steps)
		r.Now, r.ID = noon.Add(time.Hour), "r3f-bbbbbbbbbb"
		h, err := journal.Prepare(r, plugins())
		if err != nil || (h.Digest == first.Digest) != same || len(h.Digest) != 64 {
			t.Errorf("%s: %s %v", steps, h.Digest, err)
		}
	}
}
