package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
)

// defaultSession is the conversation that people at a terminal have unless they name another.
const defaultSession = "cli"

// errAnswered ends the reading of events: what was waited for is there.
var errAnswered = errors.New("answered")

func newChatCommand(a *app) *cobra.Command {
	var session string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "chat [TEXT]",
		Short: "Talk to the assistant",
		Long: "With TEXT, prints the answer on stdout and exits. Without, it is a conversation: one message a line, " +
			"/quit ends it. /approve RUN, /deny RUN, /stop, /undo RUN and /runs work as in every chat.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.newChat(cmd, session)
			if err != nil {
				return err
			}
			ctx, cancel := within(cmd.Context(), timeout)
			defer cancel()
			if text := strings.TrimSpace(strings.Join(args, " ")); text != "" {
				return c.once(ctx, text)
			}
			if c.json {
				return fault.New(fault.Invalid, "a conversation is not JSON").At("--output").Try("hearth chat -o json TEXT")
			}
			return c.converse(ctx, a)
		},
	}
	cmd.Flags().StringVar(&session, "session", defaultSession, "`name` of the conversation; the page shows it too")
	addTimeout(cmd, &timeout)
	addOutput(cmd)
	return cmd
}

// addTimeout gives a command that waits the flag --timeout.
func addTimeout(cmd *cobra.Command, timeout *time.Duration) {
	cmd.Flags().DurationVar(timeout, "timeout", 0, "give up waiting after this `time` and exit with 124; what was started goes on")
}

// chat is one session of adapter-web.
type chat struct {
	*desk
	session string
	drafted strings.Builder // what a terminal shows already of the answer to come
}

func (a *app) newChat(cmd *cobra.Command, session string) (*chat, error) {
	d, err := a.desk(cmd)
	return &chat{desk: d, session: session}, err
}

// post says something, and returns what its answer can be told by. The key makes it safe to repeat while
// the gateway is away.
func (c *chat) post(ctx context.Context, text, key string) (string, error) {
	in := map[string]string{"session": c.session, "text": text, "key": key}
	type taken struct {
		Message string `json:"message"`
	}
	var got taken
	err := c.client.persist(ctx, c.note, func() (err error) {
		got, _, err = fetch[taken](ctx, c.client, "POST", webPath+"messages", in)
		return err
	})
	return got.Message, err
}

// answers reports whether e is about a message: one that waits for its turn is told by its number, an
// order that is answered at once by the key of that answer.
func (e chatEvent) answers(message string) bool {
	return e.Key == message || strconv.FormatInt(e.Seq, 10) == message
}

// ask says something and returns the answer to it.
func (c *chat) ask(ctx context.Context, text string) (chatEvent, error) {
	message, err := c.post(ctx, text, rand.Text())
	if err != nil {
		return chatEvent{}, err
	}
	var answer chatEvent
	err = c.client.follow(ctx, c.session, "", c.note, func(e event) error {
		said, err := e.read()
		switch {
		case err != nil || !said.answers(message):
			return err
		case said.Type == eventDraft:
			c.draft(said)
		case said.Type == eventAnswer:
			answer = said
			return errAnswered
		}
		return nil
	})
	if errors.Is(err, errAnswered) {
		return answer, nil
	}
	return answer, late(ctx, err, "the answer is not there yet, and will be in this session", "hearth chat --session "+c.session)
}

// once is a message and its answer.
func (c *chat) once(ctx context.Context, text string) error {
	answer, err := c.ask(ctx, text)
	if err != nil {
		return err
	}
	return c.show(answer.raw, func() { c.answer(answer) })
}

// draft shows a piece of the answer to come on a terminal.
func (c *chat) draft(e chatEvent) {
	if !c.shown || c.json {
		return
	}
	text := clean(e.Text)
	c.drafted.WriteString(text)
	fmt.Fprint(c.out, text)
}

// answer writes an answer, or what is left of it after its drafts, and how to decide about its plan.
func (c *chat) answer(e chatEvent) {
	rest, drafted := strings.CutPrefix(clean(e.Markdown), c.drafted.String())
	if !drafted { // the answer is not what its drafts promised: only the answer counts
		fmt.Fprint(c.out, "\n\n")
	}
	c.drafted.Reset()
	fmt.Fprintln(c.out, rest)
	if run := e.toApprove(); run != "" && !strings.Contains(e.Markdown, "hearth approve") {
		c.note("waits for approval: hearth approve %s · hearth deny %s", run, run)
	}
}

// toApprove returns the run that one of the buttons approves, "" for none.
func (e chatEvent) toApprove() string {
	for _, row := range e.Buttons {
		for _, b := range row {
			if rest, found := strings.CutPrefix(b.Value, "a:"); found {
				run, _, _ := strings.Cut(rest, ":")
				return run
			}
		}
	}
	return ""
}
