package execute_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

// waits makes a run that waits for approval in a conversation.
func (b *bench) waits(change ...func(*journal.Request)) ledger.Lane {
	b.t.Helper()
	lane := b.run(letter, append([]func(*journal.Request){inChat}, change...)...)
	if v := b.drive(lane); v.State != flow.WaitingApproval {
		b.t.Fatal(show(v))
	}
	return lane
}

// edit changes the plan of a run that waits.
func (b *bench) edit(user string, lane ledger.Lane, set string) {
	b.t.Helper()
	if err := b.decide(user, policy.Operator, lane, "edit", `{"digest":"`+b.look(lane).Digest+`","set":`+set+`}`); err != nil {
		b.t.Fatal(err)
	}
}

// card is the one message that the conversation hears.
func (b *bench) card() message.Outbound {
	b.t.Helper()
	heard := b.hears()
	if len(heard) != 1 {
		b.t.Fatalf("the conversation hears %d messages: %q", len(heard), heard)
	}
	var out message.Outbound
	if err := json.Unmarshal([]byte(heard[0]), &out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// values are those of a message's buttons.
func values(out message.Outbound) []string {
	var list []string
	for _, button := range slices.Concat(out.Buttons...) {
		list = append(list, button.Value)
	}
	return list
}

// TestAnEditShowsANewCard to the conversation that asked, with who changed what and buttons for the new plan.
// Those of the old card are refused.
func TestAnEditShowsANewCard(t *testing.T) {
	b := open(t)
	lane := b.waits()
	old := b.look(lane).Digest
	b.edit("bo", lane, `{"m.to":"cy@b.cd"}`)
	b.drive(lane)
	card, plan := b.card(), string(lane)+":"+b.look(lane).Digest[:channel.DigestLetters]
	for _, part := range []string{"This plan was changed", "- bo: `m.to: \"bo@other.example\" → \"cy@b.cd\"`", "**cy@b.cd**", "waits for your approval"} {
		if !strings.Contains(card.Markdown, part) {
			t.Errorf("the card misses %q: %s", part, card.Markdown)
		}
	}
	if got := values(card); !slices.Equal(got, []string{"a:" + plan, "d:" + plan}) || card.Run != string(lane) {
		t.Errorf("buttons %q of run %s", got, card.Run)
	}
	if want := "planner-intent " + string(b.ledger.Session("web", "ann")); b.rings[len(b.rings)-1] != want {
		t.Errorf("rings: %v, want %s", b.rings, want)
	}
	err := b.decide("ann", policy.Member, lane, "approve", `{"digest":"`+old[:channel.DigestLetters]+`"}`)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Text(err), "edited by bo since it was shown") {
		t.Errorf("the button of the old card: %v", err)
	}
	b.drive(lane)
	if more := b.hears(); more != nil {
		t.Errorf("and once more: %q", more)
	}
	b.edit("ann", lane, `{"m.to":"di@b.cd"}`)
	b.drive(lane)
	if second := b.card(); !strings.Contains(second.Markdown, "- bo: ") || !strings.Contains(second.Markdown, "- ann: `m.to: \"cy@b.cd\" → \"di@b.cd\"`") {
		t.Errorf("after a second edit: %s", second.Markdown)
	}
}

// TestANewCardSurvivesACrash: whoever made it dies before it is posted, or before that is known.
func TestANewCardSurvivesACrash(t *testing.T) {
	for name, posted := range map[string]bool{"before the card": false, "after the card": true} {
		b := open(t)
		lane := b.waits()
		b.edit("bo", lane, `{"m.to":"cy@b.cd"}`)
		j, err := journal.Take(t.Context(), b.ledger, lane, b.clock)
		if err != nil || j == nil {
			t.Fatal(name, j, err)
		}
		if posted {
			if session, err := j.Recard(t.Context()); err != nil || session == "" {
				t.Fatal(name, session, err)
			}
		}
		b.advance(2 * ledger.Lease)
		b.drive(lane)
		if card := b.card(); !strings.Contains(card.Markdown, "cy@b.cd") {
			t.Errorf("%s: %s", name, card.Markdown)
		}
	}
}

func TestCardsOfEdits(t *testing.T) {
	reply := func(out message.Outbound) func(*journal.Request) {
		return func(r *journal.Request) {
			r.FourEyes = true
			r.Reply, _ = json.Marshal(out)
		}
	}
	for name, c := range map[string]struct {
		change func(*journal.Request)
		then   string // body of a further edit, by cy
		says   []string
		never  string
		press  string // the first letters of the buttons
	}{
		"two at once": {func(*journal.Request) {}, `{"set":{"m.say":"bye"}`, []string{"- bo: `m.to", "- cy: `m.say: \"hello\" → \"bye\"`"}, "", "ad"},
		"approved with it": {
			func(*journal.Request) {}, `{"approve":true,"set":{"m.say":"bye"}`, []string{"- cy: `m.say", "approved by cy"}, "waits for", "",
		},
		"in Chinese":          {func(r *journal.Request) { r.Lang = "zh" }, "", []string{"计划已被修改", "- bo: `m.to"}, "", "ad"},
		"four eyes, alone":    {reply(message.Outbound{}), "", []string{"other than ann"}, "", "d"},
		"four eyes, in group": {reply(message.Outbound{ReplyTo: "m1"}), "", []string{"other than ann"}, "", "ad"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			lane := b.waits(c.change)
			b.edit("bo", lane, `{"m.to":"cy@b.cd"}`)
			if c.then != "" {
				if err := b.decide("cy", policy.Operator, lane, "edit", c.then+`,"digest":"`+b.look(lane).Digest+`"}`); err != nil {
					t.Fatal(err)
				}
			}
			b.drive(lane)
			card := b.card()
			for _, part := range c.says {
				if !strings.Contains(card.Markdown, part) {
					t.Errorf("misses %q: %s", part, card.Markdown)
				}
			}
			press := ""
			for _, value := range values(card) {
				press += value[:1]
			}
			if press != c.press || c.never != "" && strings.Contains(card.Markdown, c.never) {
				t.Errorf("buttons %q: %s", press, card.Markdown)
			}
		})
	}
}

// TestADeniedEditHasNoCard: the end of the run says it all.
func TestADeniedEditHasNoCard(t *testing.T) {
	b := open(t)
	lane := b.waits()
	b.edit("bo", lane, `{"m.to":"cy@b.cd"}`)
	if err := b.decide("ann", policy.Member, lane, "deny", ""); err != nil {
		t.Fatal(err)
	}
	b.advance(time.Second)
	if v := b.finish(lane); v.State != flow.StateDenied {
		t.Fatal(show(v))
	}
	if card := b.card(); !strings.Contains(card.Markdown, "Not approved") {
		t.Errorf("heard %s", card.Markdown)
	}
}
