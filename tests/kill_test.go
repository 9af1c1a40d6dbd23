package tests

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/hearthfaas/hearth/functions/adapters/telegram/telegramtest"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

// echoEnd is how each answer of echo ends.
const echoEnd = "That was all."

// echo is a model that repeats what it was told last, slowly enough to be killed in the middle.
func echo(t *testing.T) *modeltest.Server {
	t.Helper()
	m := &modeltest.Server{Pace: modeltest.Every(10 * time.Millisecond)}
	m.Answer(func(r modeltest.Request) modeltest.Reply {
		said := r.Messages()
		return modeltest.Say("You said: " + said[len(said)-1].Content + ". " + strings.Repeat("So it goes on. ", 12) + echoEnd)
	})
	return m
}

// Two queries of the same rows; the slow one keeps database_query busy for about a second.
const (
	quickSQL = "SELECT * FROM sales WHERE date=CURRENT_DATE"
	slowSQL  = quickSQL + " AND (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<2000000) SELECT max(x) FROM c)>0"
)

// task makes and starts a task whose mail has a subject of its own, and returns the run.
func (b *tester) task(id, sql, subject string) string {
	b.Helper()
	plan := map[string]any{"task_id": id, "trigger": map[string]string{"type": "manual"}, "steps": []map[string]any{
		{"id": "query", "plugin": "database_query", "params": map[string]string{"sql": sql}},
		{"id": "sheet", "plugin": "excel_generator", "params": map[string]string{"template": "/templates/report.xlsx", "output": "/output/" + id + ".xlsx"}},
		{"id": "mail", "plugin": "email_sender", "params": map[string]any{"to": "team@example.com", "subject": subject, "attachments": []string{"/output/" + id + ".xlsx"}}},
	}}
	var started struct {
		Run string `json:"run"`
	}
	b.must("PUT", "/function/system-tasks/"+id, plan, nil)
	b.must("POST", "/function/system-tasks/"+id+"/run", map[string]bool{}, &started)
	return started.Run
}

// runView is what the tests read of a run.
type runView struct {
	State string `json:"state"`
	Steps []struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"steps"`
}

func (v runView) step(id string) string {
	for _, s := range v.Steps {
		if s.ID == id {
			return s.State
		}
	}
	return ""
}

// until waits for something to be true of a run. The bundle may be away.
func (b *tester) until(run, what string, enough func(v runView) bool) runView {
	b.Helper()
	var v runView
	b.persist(run+" "+what, func() error {
		token, err := b.owner()
		if err != nil {
			return err
		}
		if _, err := b.call(b.Context(), token, "GET", "/function/system-tasks/runs/"+run, nil, &v); err != nil {
			return err
		}
		if !enough(v) {
			return fmt.Errorf("the run is %+v", v)
		}
		return nil
	})
	return v
}

func over(v runView) bool {
	return slices.Contains([]string{"done", "failed", "rolled_back", "needs_human", "stopped"}, v.State)
}

// TestKilledFunctions kills functions, each in a process of its own, at the moments that hurt most: people
// get each answer once, or marked as possibly repeated, and runs end as they should.
func TestKilledFunctions(t *testing.T) {
	t.Parallel()
	tg, m := telegramtest.New(t), echo(t)
	b := run(t, map[string]string{
		"HEARTH_INLINE": "none", "OPENAI_BASE_URL": modeltest.Start(t, m),
		"TELEGRAM_API_URL": tg.URL, "TELEGRAM_BOT_TOKEN": telegramtest.Token,
	})
	var all sync.WaitGroup
	for _, part := range []func(){
		func() { b.killedAfterAccept("planner-intent") },
		func() { b.killedWhileModelWrites(m) },
		func() { b.killedWhileStepRuns("plugin-database-query") },
		func() { b.killedWhileStepRuns("planner-execute") },
		func() { b.killedWhileDelivering(tg) },
	} {
		all.Go(part)
	}
	all.Wait()
	b.killedAtRandom(tg)
}

// killedAfterAccept kills a function as soon as a message was accepted.
func (b *tester) killedAfterAccept(name string) {
	message := b.say("accepted", "apples", "1")
	b.killFunction(name)
	next := b.say("accepted", "pears", "2")
	b.answered("accepted", next)
	b.checkSession("accepted", map[string]string{message: "apples", next: "pears"})
}

// killedWhileModelWrites kills planner-intent when the first drafts of an answer are out.
func (b *tester) killedWhileModelWrites(m *modeltest.Server) {
	message := b.say("drafts", "cherries", "1")
	b.await("drafts", "a draft", func(all []event) bool {
		return slices.ContainsFunc(all, func(e event) bool { return e.Type == "draft" || e.Type == "answer" })
	})
	b.killFunction("planner-intent")
	next := b.say("drafts", "plums", "2")
	b.answered("drafts", next)
	b.checkSession("drafts", map[string]string{message: "cherries", next: "plums"})
}

// killedWhileStepRuns kills a function while the first step of a run is under way.
func (b *tester) killedWhileStepRuns(name string) {
	id := strings.ReplaceAll(name, "-", "_")
	run := b.task(id, slowSQL, "about "+id)
	b.until(run, "runs its first step", func(v runView) bool { return v.step("query") == "running" })
	b.persist("kill "+name, func() error { // its process may be about to start
		if !b.killFunction(name) {
			return fmt.Errorf("no process of %s", name)
		}
		return nil
	})
	v := b.until(run, "ends", over)
	b.checkMail(v, "about "+id)
	if v.State != "done" {
		b.Errorf("reading may be repeated, and yet the run is %s", v.State)
	}
}

// killedWhileDelivering kills the adapter, and then planner-reply, while Telegram keeps them waiting.
func (b *tester) killedWhileDelivering(tg *telegramtest.Server) {
	for i, name := range []string{"adapter-telegram", "planner-reply"} {
		from := telegramtest.User{ID: int64(100 + i), First: "Bo", Lang: "en"}
		chat := tg.Person(from)
		tg.Fail(telegramtest.Failure{Method: "sendMessage", Drop: true})
		tg.Say(chat, from, "melons")
		tg.Wait(b, "the first delivery", func() bool { return len(tg.FromBot(chat.ID)) > 0 })
		b.killFunction(name)
		tg.Say(chat, from, "grapes")
		tg.Say(chat, from, "olives")
		b.checkChat(tg, chat.ID, []string{"melons", "grapes", "olives"})
	}
}

// checkChat reads nothing but a chat: each of the words that were said there has its answer, in their
// order, and one that came again says that it may have.
func (b *tester) checkChat(tg *telegramtest.Server, chat int64, words []string) {
	b.Helper()
	last := len(words) - 1
	tg.Wait(b, "the answer to "+words[last], func() bool {
		return slices.ContainsFunc(tg.FromBot(chat), func(m telegramtest.Message) bool { return answersWord(m, words) == last })
	})
	var heard []int
	said := tg.FromBot(chat)
	for _, m := range said {
		if !strings.Contains(m.Text, echoEnd) {
			continue // a draft whose writer was killed
		}
		word := answersWord(m, words)
		if word < 0 || slices.Contains(heard, word) && !strings.Contains(m.Text, "may have got this before") {
			b.Errorf("an answer to nothing, or one that came again without a mark: %q", m.Text)
		}
		heard = append(heard, word)
	}
	if !slices.IsSorted(heard) || len(slices.Compact(heard)) != len(words) {
		b.Errorf("the chat has answers to %v of %v: %v", heard, words, said)
	}
}

// answersWord returns which of some words a whole answer is about, -1 for none.
func answersWord(m telegramtest.Message, words []string) int {
	return slices.IndexFunc(words, func(word string) bool {
		return strings.HasPrefix(m.Text, "You said: "+word+".") && strings.Contains(m.Text, echoEnd)
	})
}

// killedAtRandom kills any function at any moment while several people talk and a run goes.
func (b *tester) killedAtRandom(tg *telegramtest.Server) {
	random := dice(b.T)
	from := telegramtest.User{ID: 110, First: "Cy", Lang: "en"}
	chat := tg.Person(from)
	words := []string{"figs", "limes", "pears", "dates"}
	for _, word := range words {
		tg.Say(chat, from, word)
	}
	run := b.task("random", quickSQL, "about random")
	talks := b.talk(3, 2)
	for range 6 {
		running := b.functions()
		names := []string{}
		for name := range running {
			if name != "system-pump" { // its end is like a pause
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if len(names) > 0 {
			b.killFunction(names[random.IntN(len(names))])
		}
		pause(time.Duration(random.IntN(400)) * time.Millisecond)
	}
	b.checkTalks(talks())
	b.checkChat(tg, chat.ID, words)
	b.checkMail(b.until(run, "ends", over), "about random")
}

// seed places the kills that happen at random; another one is another schedule.
var seed = flag.Uint64("seed", 7, "of the random moments at which tests kill processes; 0 for a new one")

// dice is a source of random moments. Its seed is in the test's log.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	t.Logf("kills are placed by -seed %d", from)
	return rand.New(rand.NewPCG(from, from))
}

// pause is a moment of a schedule of kills.
func pause(d time.Duration) { <-time.After(d) }

// talk lets several people say several things each, one after the other, and returns what was accepted.
func (b *tester) talk(people, messages int) (accepted func() []map[string]string) {
	talks := make([]map[string]string, people)
	var all sync.WaitGroup
	for i := range people {
		talks[i] = map[string]string{}
		all.Go(func() {
			for n := range messages {
				word := fmt.Sprintf("word-%d-%d", i, n)
				talks[i][b.say("talk-"+strconv.Itoa(i), word, word)] = word
			}
		})
	}
	return func() []map[string]string {
		all.Wait()
		return talks
	}
}

func (b *tester) checkTalks(talks []map[string]string) {
	b.Helper()
	for i, accepted := range talks {
		for message := range accepted {
			b.answered("talk-"+strconv.Itoa(i), message)
		}
		b.checkSession("talk-"+strconv.Itoa(i), accepted)
	}
}

// checkSession reads nothing but a session's event log: every accepted message has one answer, which is
// about it, and the answers are in the order of the messages.
func (b *tester) checkSession(session string, accepted map[string]string) {
	b.Helper()
	for message := range accepted {
		b.answered(session, message)
	}
	all := b.await(session, "all of it", func([]event) bool { return true })
	var order []int64
	for _, e := range all {
		if e.Type != "answer" {
			continue
		}
		order = append(order, e.Seq)
		if word := accepted[strconv.FormatInt(e.Seq, 10)]; word == "" || !strings.Contains(e.Markdown, word) {
			b.Errorf("%s: the answer to %d (%q) is %.60q", session, e.Seq, word, e.Markdown)
		}
	}
	if len(order) != len(accepted) || !slices.IsSorted(order) {
		b.Errorf("%s: %d messages were accepted; the answers are to %v", session, len(accepted), order)
	}
}

// checkMail reads nothing but the mailbox: a run that is done sent one mail, one that was taken back none,
// and one that is unsure at most one.
func (b *tester) checkMail(v runView, subject string) {
	b.Helper()
	n := len(b.mails(subject))
	switch {
	case v.State == "done" && n == 1, (v.State == "rolled_back" || v.State == "failed") && n == 0, v.State == "needs_human" && n <= 1:
	default:
		b.Errorf("the run is %s, and there are %d mails %q: %+v", v.State, n, subject, v)
	}
}

// TestKilledWhileMailing kills email_sender after the server has taken a mail and before it says so: what
// nobody can know is not tried again, and a person is asked.
func TestKilledWhileMailing(t *testing.T) {
	t.Parallel()
	taken, stay := make(chan struct{}, 8), make(chan struct{})
	b := run(t, map[string]string{
		"HEARTH_INLINE": "trusted", "SMTP_URL": "smtp://" + slowMail(t, taken, stay), "HEARTH_MAIL_FROM": "hearth@example.com",
	})
	t.Cleanup(func() { close(stay) })
	run := b.task("doubtful", quickSQL, "about doubt")
	select {
	case <-taken:
	case <-time.After(patience):
		t.Fatal("no mail came")
	}
	if !b.killFunction("plugin-email-sender") {
		t.Error("no process of plugin-email-sender")
	}
	v := b.until(run, "ends", over)
	if v.State != "needs_human" || v.step("mail") != "unknown" {
		t.Errorf("the run is %+v", v)
	}
	if n := len(taken); n != 0 {
		t.Errorf("the mail was sent %d times more", n)
	}
}

// slowMail is a mail server that takes mails and then says nothing until stay is closed.
func slowMail(t *testing.T, taken, stay chan struct{}) (addr string) {
	t.Helper()
	return mailHost(t, silence{taken: taken, stay: stay})
}

// mailHost is a mail server with the same session for everybody. It ends with the test.
func mailHost(t *testing.T, session smtp.Session) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return session, nil }))
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return l.Addr().String()
}

// silence is the session of slowMail.
type silence struct {
	refusal
	taken, stay chan struct{}
}

func (s silence) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.taken <- struct{}{}
	<-s.stay
	return nil
}

// TestKilledHost kills hearth up itself while people talk and runs go, and starts it again.
func TestKilledHost(t *testing.T) {
	t.Parallel()
	needs(t, "redis-server")
	random := dice(t)
	b := run(t, map[string]string{"HEARTH_INLINE": "trusted", "OPENAI_BASE_URL": modeltest.Start(t, echo(t))})
	runs := map[string]string{}
	for i := range 3 {
		id := "host_" + strconv.Itoa(i)
		runs[b.task(id, slowSQL, "about "+id)] = "about " + id
	}
	talks := b.talk(3, 3)
	for range 4 {
		pause(time.Duration(100+random.IntN(900)) * time.Millisecond)
		if err := b.kill(); err != nil {
			t.Fatal(err)
		}
		if err := b.restart(); err != nil {
			t.Fatal(err)
		}
	}
	b.checkTalks(talks())
	for run, subject := range runs {
		b.checkMail(b.until(run, "ends", over), subject)
	}
}

// TestKilledHouse kills hearth up and one of its functions, each in a process of its own, together: nothing
// of it stays but the store, which the next start takes over, and people get each answer once.
func TestKilledHouse(t *testing.T) {
	t.Parallel()
	needs(t, "redis-server")
	random := dice(t)
	b := run(t, map[string]string{"HEARTH_INLINE": "none", "OPENAI_BASE_URL": modeltest.Start(t, echo(t))})
	message := b.say("house", "apples", "1")
	run := b.task("house", slowSQL, "about the house")
	b.crash("planner-intent") // with the message, and with the run's first step
	talks := b.talk(2, 2)
	b.answered("house", message)
	pause(time.Duration(random.IntN(1000)) * time.Millisecond)
	names := slices.Sorted(maps.Keys(b.functions()))
	b.crash(names[random.IntN(len(names))])
	b.checkSession("house", map[string]string{message: "apples"})
	b.checkTalks(talks())
	b.checkMail(b.until(run, "ends", over), "about the house")
}

// crash kills a function and hearth up, sees all others end and starts it again.
func (b *tester) crash(name string) {
	b.Helper()
	before := b.functions()
	b.killFunction(name)
	if err := b.kill(); err != nil {
		b.Fatal(err)
	}
	b.persist("the end of all functions", func() error {
		for name, pids := range before {
			for _, pid := range pids {
				if functionOf(pid) == name {
					return fmt.Errorf("%s, process %d, has outlived hearth up", name, pid)
				}
			}
		}
		return nil
	})
	if err := b.restart(); err != nil {
		b.Fatal(err)
	}
	if !strings.Contains(b.said.String(), "taken over from the process before us") {
		b.Errorf("the store that was left behind was not taken over:\n%s", b.said)
	}
}
