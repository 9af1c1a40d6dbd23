package fault_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
)

// TestChangesTravelWithinBounds: whatever a plugin says has changed, people get a little of it, and nothing
// that steers their terminal.
func TestChangesTravelWithinBounds(t *testing.T) {
	many := make([]fault.Change, 20)
	for i := range many {
		many[i] = fault.Change{What: strings.Repeat("宽", 300), Then: "\x1b[2Ja\tb\nc", Diff: strings.Split(strings.Repeat("+x\n", 99), "\n")}
	}
	rec := httptest.NewRecorder()
	fault.Write(rec, fault.Wrap(fault.New(fault.Conflict, "changed").Showing(many...), "take back /a"))
	err := fault.Read(rec.Result())
	got := fault.Changes(err)
	if !fault.Is(err, fault.Conflict) || len(got) != 9 || got[8].What != "…" {
		t.Fatalf("%v shows %d changes", err, len(got))
	}
	first := got[0]
	if len(first.What) > 203 || !strings.HasSuffix(first.What, "宽…") || first.Then != "[2Ja bc" || len(first.Diff) != 25 || first.Diff[24] != "…" {
		t.Errorf("%+v", first)
	}
	if fault.Changes(fault.New(fault.Conflict, "x")) != nil || fault.Changes(nil) != nil {
		t.Error("changes of nothing")
	}
}

func TestSecretive(t *testing.T) {
	for text, want := range map[string]bool{
		"password": true, "user_password_hash": true, "API-KEY: x": true, "access_token": true, "客户密码": true,
		"note": false, "amount": false, "key": false, "passenger": false,
	} {
		if fault.Secretive(text) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}
