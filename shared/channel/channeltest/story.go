package channeltest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/platformtest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

// stories are what every adapter's people live through.
var stories = []struct {
	name string
	tell func(*scene)
}{
	{"greeting", (*scene).greeting},
	{"a plan is approved by a button", (*scene).approvedByButton},
	{"a plan is approved in words", (*scene).approvedInWords},
	{"a plan is denied", (*scene).denied},
	{"a run is stopped", (*scene).stopped},
	{"a run is undone", (*scene).undone},
	{"a guest has no tools until paired", (*scene).guest},
	{"duplicates are answered once", (*scene).duplicates},
	{"a restart in the middle of an answer", (*scene).restarted},
	{"a rate limit", (*scene).limited},
	{"the platform fails", (*scene).failing},
	{"an answer whose delivery is in doubt", (*scene).doubtful},
	{"many messages keep to the platform's pace", (*scene).paced},
	{"a long answer comes in parts", (*scene).long},
	{"a draft becomes the answer", (*scene).drafted},
	{"forged requests are refused", (*scene).forged},
	{"without a secret it is closed", (*scene).closedWithoutSecret},
	{"a secret is changed", (*scene).rotated},
	{"nobody may write", (*scene).shut},
}

// Stories runs the stories that every adapter shares. functions are those behind the adapter: the planners,
// system-tasks, system-auth and system-pump. stage opens a new stage on a clock.
func Stories(t *testing.T, adapter fn.Function, stage OpenStage, functions ...fn.Function) {
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			story.tell(open(t, adapter, stage, functions))
		})
	}
}

func (s *scene) greeting() {
	s.say("hello")
	s.hear(0, "Hello! I am Hearth.")
	s.say("你好")
	s.hear(1, "你好！我是 Hearth。")
	if got := s.Heard(s.stage.Chat); got != "hello|你好" {
		s.Errorf("accepted %q", got)
	}
}

const (
	post = "send a letter to bo@example.com"
	bo   = "bo@example.com"
)

// card asks for a letter, and returns the plan that waits for approval.
func (s *scene) card() Shown {
	s.Helper()
	s.befriend()
	known := len(s.stage.Shown())
	s.say(post)
	card := s.hear(known, bo)
	if len(card.Buttons) != 2 || !strings.HasPrefix(card.Buttons[0], "a:r") || !strings.HasPrefix(card.Buttons[1], "d:r") {
		s.Fatalf("the plan: %+v", card)
	}
	if out := s.desk.out(); out != "" {
		s.Fatalf("letters to %s without approval", out)
	}
	return card
}

func (s *scene) approvedByButton() {
	card := s.card()
	known := len(s.stage.Shown())
	s.press(card, 0)
	s.press(card, 0) // people press twice
	s.hear(known, "Done")
	if out := s.desk.out(); out != bo {
		s.Errorf("letters to %q", out)
	}
}

func (s *scene) approvedInWords() {
	s.card()
	known := len(s.stage.Shown())
	s.say("approve")
	s.hear(known, "Approved")
	s.hear(known, "Done")
	if out := s.desk.out(); out != bo {
		s.Errorf("letters to %q", out)
	}
}

func (s *scene) denied() {
	card := s.card()
	known := len(s.stage.Shown())
	s.press(card, 1)
	s.hear(known, "Denied")
	s.hear(known, "Not approved; nothing was done")
	if out := s.desk.out(); out != "" {
		s.Errorf("letters to %q", out)
	}
}

// stopped says stop while the letter can still be recalled.
func (s *scene) stopped() {
	s.Set("HEARTH_RECALL", "10m")
	card := s.card()
	known := len(s.stage.Shown())
	s.press(card, 0)
	s.hear(known, "Approved")
	s.say("/stop")
	s.hear(known, "Stopped:")
	s.hear(known, "Stopped on request")
	s.Later(time.Hour)
	known = len(s.stage.Shown())
	s.say("thanks")
	s.hear(known, "You are welcome.")
	if out := s.desk.out(); out != "" {
		s.Errorf("letters to %q", out)
	}
}

func (s *scene) undone() {
	s.befriend()
	known := len(s.stage.Shown())
	s.say(`pin a notice "closed on Friday"`)
	done := s.hear(known, "Done")
	if hung := s.desk.hung(); hung != "closed on Friday" || len(done.Buttons) != 1 {
		s.Fatalf("on the wall: %q, buttons %q", hung, done.Buttons)
	}
	s.press(done, 0)
	s.hear(known, "Undoing")
	s.hear(known, "Undone")
	if hung := s.desk.hung(); hung != "" {
		s.Errorf("on the wall: %q", hung)
	}
}

func (s *scene) guest() {
	s.say(post)
	stranger := s.hear(0, "hearth pair")
	if len(stranger.Buttons) > 0 || strings.Contains(s.texts(), bo) {
		s.Errorf("a guest gets a plan: %+v", stranger)
	}
	s.card() // by the same words, once Ann is known
}

func (s *scene) duplicates() {
	r := s.stage.Say("hello")
	var posts sync.WaitGroup
	for range 10 {
		posts.Go(func() { s.take(r) })
	}
	posts.Wait()
	s.hear(0, "I am Hearth")
	s.take(r) // and once more, after the answer
	s.say("thanks")
	s.hear(0, "You are welcome.")
	if got := s.Heard(s.stage.Chat); got != "hello|thanks" || strings.Count(s.texts(), "I am Hearth") != 1 || len(s.stage.Shown()) != 2 {
		s.Errorf("accepted %q, said %s", got, s.texts())
	}
}

// restarted kills all functions while the platform takes its time with the answer.
func (s *scene) restarted() {
	s.stage.Fail(platformtest.Failure{Method: s.stage.Post, Stall: true})
	s.say("hello")
	s.stage.Wait(s, "the delivery", func() bool { return len(s.stage.Calls(s.stage.Post)) == 1 })
	s.Restart()
	s.say("thanks")
	s.hear(0, "You are welcome.")
	if all := s.stage.Shown(); len(all) != 2 || !strings.Contains(all[0].Text, "I am Hearth") {
		s.Errorf("said %s", s.texts())
	}
}

// inOrder has Ann say three things, and wants three answers in their order, each once.
func (s *scene) inOrder() {
	s.Helper()
	for _, text := range []string{"hello", "thanks", "bye"} {
		s.say(text)
	}
	s.hear(0, "Goodbye.")
	all := s.stage.Shown()
	if len(all) != 3 || !strings.Contains(all[0].Text, "I am Hearth") || !strings.Contains(all[1].Text, "You are welcome.") {
		s.Errorf("said %s", s.texts())
	}
}

func (s *scene) limited() {
	s.stage.Fail(platformtest.Failure{Method: s.stage.Post, Call: 1, Status: http.StatusTooManyRequests, RetryAfter: 30})
	since := s.Now()
	s.inOrder()
	if took := s.Now().Sub(since); took < 30*time.Second {
		s.Errorf("the platform asked for 30 seconds, and was called again after %v", took)
	}
	if n := len(s.stage.Calls(s.stage.Post)); n != 4 {
		s.Errorf("%d calls for three answers, one of them refused", n)
	}
	if strings.Contains(s.texts(), "may have got this before") {
		s.Errorf("marked as repeated, though the platform took nothing: %s", s.texts())
	}
}

func (s *scene) failing() {
	for call := range 3 {
		s.stage.Fail(platformtest.Failure{Method: s.stage.Post, Call: call + 1, Status: http.StatusServiceUnavailable})
	}
	s.inOrder()
}

// doubtful loses the platform's answer after it took the message: the message comes again, and either the
// platform knows it or it says that it may be a copy.
func (s *scene) doubtful() {
	s.stage.Fail(platformtest.Failure{Method: s.stage.Post, Drop: true})
	s.say("hello")
	s.say("thanks")
	s.hear(0, "You are welcome.")
	all := s.stage.Shown()
	if n := len(s.stage.Calls(s.stage.Post)); n != 3 {
		s.Errorf("%d calls: one is lost, and comes again", n)
	}
	switch last := len(all) - 1; {
	case len(all) < 2 || len(all) > 3 || !strings.Contains(all[last].Text, "You are welcome."):
		s.Errorf("said %s", s.texts())
	case len(all) == 3 && !strings.Contains(all[1].Text, "may have got this before"):
		s.Errorf("a copy without a mark: %s", s.texts())
	}
}

// paced says more at once than the platform takes, which then refuses none of the answers.
func (s *scene) paced() {
	if s.stage.Limit {
		s.stage.Base.Limit(s.stage.Post, platformtest.Rate{Calls: 4, Per: time.Second}, platformtest.Rate{Calls: 30, Per: time.Second})
	}
	const messages = 6
	for range messages {
		s.say("thanks")
	}
	s.Await("all answers", func() bool { return len(s.stage.Shown()) == messages })
	if n := len(s.stage.Calls(s.stage.Post)); n != messages {
		s.Errorf("%d calls for %d answers", n, messages)
	}
}

// long sends more than two messages hold, and has the platform fail in the middle.
func (s *scene) long() {
	words := s.stage.Most * 9 / 4 / len("word0000, then. ")
	var text strings.Builder
	for i := range words {
		fmt.Fprintf(&text, "word%04d, then. ", i)
	}
	out := message.Outbound{Key: "k/1", Address: s.stage.Chat, Markdown: text.String()}
	s.stage.Fail(platformtest.Failure{Method: s.stage.Post, Call: 2, Status: http.StatusServiceUnavailable})
	if _, err := s.Send(out); err == nil {
		s.Fatal("the platform failed in the middle")
	}
	s.Later(time.Minute) // nobody is in a hurry
	receipt, err := s.Send(out)
	if err != nil {
		s.Fatal(err)
	}
	all, said := s.stage.Shown(), s.texts()
	if len(all) < 2 || len(receipt.IDs) != len(all) || len(s.stage.Calls(s.stage.Post)) != len(all)+1 {
		s.Errorf("%d messages by %d calls, receipt %v", len(all), len(s.stage.Calls(s.stage.Post)), receipt.IDs)
	}
	at := -1
	for i := range words {
		word := fmt.Sprintf("word%04d", i)
		next := strings.Index(said, word)
		if next <= at || strings.Count(said, word) != 1 {
			s.Fatalf("%s stands at %d, the one before it at %d", word, next, at)
		}
		at = next
	}
}

// drafted shows an answer while it is written, in one message that the final answer replaces.
func (s *scene) drafted() {
	if s.stage.Gone == "" {
		s.Skip("messages cannot be edited there")
	}
	id := ""
	for _, text := range []string{"One.", "One. Two", "One. Two"} { // twice the same is no error
		s.Later(2 * time.Second)
		next := s.Draft(channel.Draft{Address: s.stage.Chat, Key: "k/1", Text: text, ID: id})
		if next == "" || id != "" && next != id {
			s.Fatalf("the draft %q is message %q, after %q", text, next, id)
		}
		id = next
	}
	for range 2 { // an answer that is delivered twice is one
		receipt, err := s.Send(message.Outbound{Key: "k/1", Address: s.stage.Chat, Markdown: "One. Two.", Edit: id})
		if err != nil || len(receipt.IDs) != 1 || receipt.IDs[0] != id {
			s.Fatalf("%+v, %v", receipt, err)
		}
	}
	if all := s.stage.Shown(); len(all) != 1 || all[0].Text != "One. Two." {
		s.Errorf("said %+v", all)
	}
	receipt, err := s.Send(message.Outbound{Key: "k/2", Address: s.stage.Chat, Markdown: "late", Edit: s.stage.Gone})
	if err != nil {
		s.Fatal(err)
	}
	if all := s.stage.Shown(); len(all) != 2 || all[1].Text != "late" || len(receipt.IDs) != 1 {
		s.Errorf("a draft that is gone: %+v", all)
	}
}

// refused posts a request of Ann's with each of these proofs, and without any.
func (s *scene) refused(proofs ...string) {
	s.Helper()
	r := s.stage.Say("hello")
	for _, proof := range proofs {
		if status, said := s.deliver(r, proof); status != http.StatusUnauthorized {
			s.Errorf("proof %q: %d %s", proof, status, said)
		}
	}
	if status, said := s.Request("/", copied(r)); status != http.StatusUnauthorized {
		s.Errorf("no proof: %d %s", status, said)
	}
	if got := s.Heard(s.stage.Chat); got != "" {
		s.Errorf("accepted %q", got)
	}
}

func (s *scene) forged() {
	right := s.stage.Secrets[s.stage.Proof]
	s.refused("", " ", s.stage.Rotated, right[:len(right)-1], right+right)
}

func (s *scene) closedWithoutSecret() {
	for _, blank := range []string{"", " \n"} {
		s.Secret(s.Platform()+"-"+s.stage.Proof, blank)
		s.refused("", s.stage.Secrets[s.stage.Proof], s.stage.Rotated)
	}
}

// rotated changes the secret of a running adapter.
func (s *scene) rotated() {
	s.say("hello")
	s.hear(0, "I am Hearth")
	s.Secret(s.Platform()+"-"+s.stage.Proof, s.stage.Rotated)
	r := s.stage.Say("thanks")
	if status, _ := s.deliver(r, s.stage.Secrets[s.stage.Proof]); status != http.StatusUnauthorized {
		s.Errorf("with the old secret: %d", status)
	}
	if status, said := s.deliver(r, s.stage.Rotated); status < 200 || status > 299 {
		s.Errorf("with the new secret: %d %s", status, said)
	}
	if got := s.Heard(s.stage.Chat); got != "hello|thanks" {
		s.Errorf("accepted %q", got)
	}
}

// shut is a person who blocked the assistant: its words are put aside, not tried for ever.
func (s *scene) shut() {
	s.stage.Close()
	_, err := s.Send(message.Outbound{Key: "k/1", Address: s.stage.Chat, Markdown: "hello"})
	if !fault.Is(err, fault.Forbidden) || fault.Retryable(err) {
		s.Errorf("%v (%s)", err, fault.KindOf(err))
	}
	if len(s.stage.Shown()) > 0 {
		s.Errorf("said %s", s.texts())
	}
}
