package channel_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

func TestAcceptedIsDurableAndRung(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann@example.com", policy.Member)
	w.taken(from("ann", "1", "report please"))
	w.taken(from("ann", "1", "report please")) // the platform did not hear us
	got := w.inbox(chatOf("ann"))
	want := policy.Principal{User: "ann@example.com", Role: policy.Member, Via: "parrot//ann"}
	if got == nil || got.Principal != want || got.Inbound.Text != "report please" || got.Pairing != "" {
		t.Fatalf("accepted %+v", got)
	}
	if got.Inbound.At.IsZero() {
		t.Error("no time")
	}
	if len(w.rings) != 1 {
		t.Errorf("rings: %q", w.rings)
	}
	lane := channel.Lane(w.ledger, chatOf("ann"))
	events, err := w.ledger.Events(t.Context(), lane, "", 0, 10)
	if err != nil || len(events) != 1 || !strings.Contains(string(events[0].Body), `"type":"user","key":"1","text":"report please","from":"ann@example.com"`) {
		t.Errorf("events %s, %v", events, err)
	}
}

func TestRefusesWhoIsNotThePlatform(t *testing.T) {
	w := newWorld(t)
	body := `[{"id":"1","kind":"text","chat_kind":"direct","from":{"id":"ann"},"address":{"chat":"c-ann"},"text":"x"}]`
	for name, header := range map[string]http.Header{"no proof": {}, "wrong proof": {"Parrot": {"seeds"}}} {
		resp := w.do("/", body, header)
		said, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 401 || strings.Contains(string(said), "secret") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, said)
		}
	}
	if resp := w.do("/ops", body, http.Header{"Parrot": {""}}); resp.StatusCode != 401 {
		t.Errorf("an account without secret: %d", resp.StatusCode)
	}
	if resp := w.do("/..%2fx", body, http.Header{"Parrot": {"cracker"}}); resp.StatusCode != 404 {
		t.Errorf("not an account: %d", resp.StatusCode)
	}
	if got := w.inbox(chatOf("ann")); got != nil {
		t.Errorf("accepted %+v", got)
	}
}

func TestOnlyALinkBringsUpdates(t *testing.T) {
	w := newWorld(t)
	events := []message.Inbound{from("ann", "1", "hello")}
	if err := w.signed("planner-intent", "/", events, nil); !fault.Is(err, fault.Forbidden) {
		t.Errorf("planner-intent: %v", err)
	}
	if err := w.signed("link", "/", events, nil); err != nil {
		t.Errorf("link: %v", err)
	}
	if got := w.inbox(chatOf("ann")); got == nil {
		t.Error("not accepted")
	}
}

func TestAccountsAreApart(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann@example.com", policy.Owner)
	if resp := w.post("/sales", from("ann", "1", "hi")); resp.StatusCode != 201 {
		t.Fatal(resp.Status)
	}
	a := chatOf("ann")
	if got := w.inbox(a); got != nil {
		t.Errorf("the default account got %+v", got)
	}
	a.Account = "sales"
	if got := w.inbox(a); got == nil || got.Principal.Role != policy.Guest {
		t.Errorf("got %+v", got)
	}
}

func TestWhatIsNotForUsIsAcknowledgedAndLeft(t *testing.T) {
	group := func(change func(*message.Inbound)) message.Inbound {
		in := from("ann", "1", "lunch?")
		in.ChatKind = message.Group
		change(&in)
		return in
	}
	for name, tt := range map[string]struct {
		in    message.Inbound
		taken bool
	}{
		"talk in a group":      {group(func(*message.Inbound) {}), false},
		"our name in a group":  {group(func(in *message.Inbound) { in.Text = "Polly, lunch?" }), true},
		"a mention in a group": {group(func(in *message.Inbound) { in.Mentioned = true }), true},
		"another bot":          {group(func(in *message.Inbound) { in.Mentioned, in.From.Bot = true, true }), false},
		"an edit":              {group(func(in *message.Inbound) { in.Mentioned, in.Kind = true, message.Edit }), false},
		"we were added":        {group(func(in *message.Inbound) { in.Kind = message.Joined }), false},
		"nothing":              {from("ann", "1", "  "), false},
		"a file":               {func() message.Inbound { in := from("ann", "1", ""); in.Files = []message.File{{Ref: "f"}}; return in }(), true},
		"nobody":               {func() message.Inbound { in := from("ann", "1", "x"); in.From.ID = ""; return in }(), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.taken(tt.in)
			if got := w.inbox(chatOf("ann")); (got != nil) != tt.taken {
				t.Errorf("accepted %+v", got)
			}
		})
	}
}

func TestFullInboxIsRefusedAndOrdersAreNot(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann", policy.Member)
	for i := range 64 {
		w.taken(from("ann", fmt.Sprint(i), "more"))
	}
	resp := w.post("/", from("ann", "65", "more"))
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("heard %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	w.taken(from("ann", "66", "/help"))
	if said := strings.Join(w.heard(), "\n"); !strings.Contains(said, "/approve") {
		t.Errorf("said %q", said)
	}
}

func TestStoreAwayIsRetried(t *testing.T) {
	w := newWorld(t)
	if err := w.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if resp := w.post("/", from("ann", "1", "x")); resp.StatusCode != 503 {
		t.Errorf("heard %d", resp.StatusCode)
	}
	w.ledger = nil
	_ = w.env.Close() // the ledger is closed already
}

func TestGuestPairs(t *testing.T) {
	w := newWorld(t)
	v, err := w.env.Vault()
	if err != nil {
		t.Fatal(err)
	}
	w.taken(from("bob", "1", "hi"))
	code := w.inbox(chatOf("bob")).Pairing
	if len(code) != 8 {
		t.Fatalf("code %q", code)
	}
	w.taken(from("bob", "2", "/pair"))
	if said := strings.Join(w.heard(), "\n"); !strings.Contains(said, code) {
		t.Errorf("another code while one is alive: %q, not %q", said, code)
	}
	pair := func(code, user string) (channel.Identity, error) {
		return channel.Pair(t.Context(), w.ledger, v, code, user, policy.Member, w.env.Now())
	}
	if _, err := pair("AAAAAAAA", "bob@example.com"); !fault.Is(err, fault.NotFound) {
		t.Errorf("wrong code: %v", err)
	}
	got, err := pair(" "+strings.ToLower(code[:4])+"-"+code[4:]+"\n", "bob@example.com")
	if err != nil || got.User != "bob@example.com" || got.Platform != "parrot" || got.Sender != "bob" || got.Name != "Name of bob" {
		t.Fatalf("paired %+v, %v", got, err)
	}
	if _, err := pair(code, "mallory"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the code worked twice: %v", err)
	}
	w.taken(from("bob", "3", "/pair"))
	if said := strings.Join(w.heard(), "\n"); !strings.Contains(said, "You are") || !strings.Contains(said, "(member)") {
		t.Errorf("said %q", said)
	}
}

func TestChangedRightsAreSeenSoon(t *testing.T) {
	w := newWorld(t)
	w.know("ann", "ann", policy.Owner)
	w.taken(from("ann", "1", "/pair"))
	w.know("ann", "ann", policy.Member)
	w.later(6 * time.Second)
	w.taken(from("ann", "2", "/pair"))
	if said := strings.Join(w.heard(), "\n"); !strings.Contains(said, "You are ann (owner)") || !strings.Contains(said, "You are ann (member)") {
		t.Errorf("said %q", said)
	}
}

func TestPairingStopsGuessing(t *testing.T) {
	w := newWorld(t)
	v, err := w.env.Vault()
	if err != nil {
		t.Fatal(err)
	}
	w.taken(from("bob", "1", "hi"))
	code := w.inbox(chatOf("bob")).Pairing
	for i := range 6 {
		_, err := channel.Pair(t.Context(), w.ledger, v, fmt.Sprintf("WRONG%03d", i), "eve", policy.Member, w.env.Now())
		if want := map[bool]fault.Kind{true: fault.NotFound, false: fault.Limited}[i < 5]; !fault.Is(err, want) {
			t.Errorf("try %d: %v", i, err)
		}
	}
	if _, err := channel.Pair(t.Context(), w.ledger, v, code, "eve", policy.Member, w.env.Now()); !fault.Is(err, fault.Limited) {
		t.Errorf("the right code after five wrong ones: %v", err)
	}
	if _, err := channel.Pair(t.Context(), w.ledger, v, code, "bob", policy.Member, w.env.Now()); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}

func TestNoCodeInAGroup(t *testing.T) {
	w := newWorld(t)
	in := from("bob", "1", "hi")
	in.ChatKind, in.Mentioned = message.Group, true
	w.taken(in)
	if got := w.inbox(chatOf("bob")); got == nil || got.Pairing != "" {
		t.Errorf("accepted %+v", got)
	}
	in.ID, in.Text = "2", "/pair"
	w.taken(in)
	if said := strings.Join(w.heard(), "\n"); !strings.Contains(said, "direct chat") {
		t.Errorf("said %q", said)
	}
}
