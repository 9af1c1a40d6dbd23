package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/vault"
	"github.com/hearthfaas/hearth/tests/faults/record"
)

// step is a step of a task: its parameters, and the steps that it needs.
type step struct {
	params string
	needs  []string
}

// The tasks that people start by saying so. No phrase is part of another. Steps that name no needs run in order.
var tasks = map[string][]step{
	"plain":  {{params: `{"op":"apply"}`}},
	"single": {{params: `{"op":"once"}`}},
	"slow":   {{params: `{"op":"once","wait":8000}`}},
	"mixed":  {{params: `{"op":"apply"}`}, {params: `{"op":"once"}`}},
	"first":  {{params: `{"op":"fail"}`}},
	"second": {{params: `{"op":"apply"}`}, {params: `{"op":"fail"}`}},
	"broken": {{params: `{"op":"apply"}`}, {params: `{"op":"apply"}`}, {params: `{"op":"fail"}`}},
	"fourth": {{params: `{"op":"apply"}`}, {params: `{"op":"apply"}`}, {params: `{"op":"apply"}`}, {params: `{"op":"fail"}`}},
	"crashy": {{params: `{"op":"crash"}`}, {params: `{"op":"apply"}`}},
	"stuck":  {{params: `{"op":"apply"}`}, {params: `{"op":"stuck"}`}, {params: `{"op":"fail"}`}},
	"long": {
		{params: `{"op":"apply","wait":500}`},
		{params: `{"op":"apply","wait":500}`},
		{params: `{"op":"apply","wait":500}`},
		{params: `{"op":"apply","wait":500}`},
	},
	"lasting": {{params: `{"op":"apply","wait":500}`}, {params: `{"op":"once","wait":500}`}, {params: `{"op":"once","wait":500}`}},
	"forked": {
		{params: `{"op":"apply"}`},
		{params: `{"op":"apply"}`, needs: []string{"s1"}},
		{params: `{"op":"apply"}`, needs: []string{"s1"}},
		{params: `{"op":"apply"}`, needs: []string{"s2", "s3"}},
		{params: `{"op":"fail"}`, needs: []string{"s4"}},
	},
}

// needsOf are the steps that each step of a task needs.
func needsOf(task []step) map[string][]string {
	named := slices.ContainsFunc(task, func(s step) bool { return s.needs != nil })
	all := map[string][]string{}
	for i, s := range task {
		switch {
		case named:
			all[stepID(i)] = s.needs
		case i > 0:
			all[stepID(i)] = []string{stepID(i - 1)}
		}
	}
	return all
}

func stepID(i int) string { return fmt.Sprintf("s%d", i+1) }

// settleIn makes what the talk needs: the owner is known on the platform, and the tasks are there.
func (c *Cluster) settleIn(ctx context.Context) error {
	if err := c.pair(ctx, owner, "owner", "owner"); err != nil {
		return err
	}
	for name, steps := range tasks {
		var list []any
		for i, s := range steps {
			list = append(list, map[string]any{"id": stepID(i), "plugin": "effect", "approval": "never", "params": json.RawMessage(s.params), "needs": s.needs})
		}
		task := map[string]any{"task_id": name, "trigger": map[string]string{"type": "message", "phrase": "run the " + name + " task"}, "steps": list}
		if _, err := c.send(ctx, http.MethodPut, c.url+"/function/system-tasks/"+name, task, c.signedIn("owner", "owner")); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) signedIn(user, role string) http.Header {
	token := c.vault.Issue(vault.Token{For: "user", ID: user, Role: role, Expires: time.Now().Add(24 * time.Hour).Unix()})
	return http.Header{"Authorization": {"Bearer " + token}}
}

var pairing = regexp.MustCompile(`hearth pair ([A-Z0-9]+)`)

// pair links the person who writes in a chat to a user of the bundle, by the code that the bot says.
func (c *Cluster) pair(ctx context.Context, chat int64, user, role string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := c.deliver(ctx, c.update(chat, "/pair"), 1); err != nil {
		return err
	}
	var code string
	err := poll(ctx, 50*time.Millisecond, func() error {
		sent, err := record.Read[record.Sent](filepath.Join(c.Dir, record.SentFile))
		for _, s := range sent {
			if found := pairing.FindStringSubmatch(s.Text); found != nil && s.Chat == chat {
				code = found[1]
				return nil
			}
		}
		return errors.Join(err, errors.New("the bot says no code"))
	})
	if err != nil {
		return err
	}
	_, err = c.send(ctx, http.MethodPost, c.url+"/function/system-auth/pair", map[string]string{"code": code}, c.signedIn(user, role))
	return err
}

// update is what the platform posts for a message in a chat.
func (c *Cluster) update(chat int64, text string) map[string]any { return c.updateIn("en", chat, text) }

// updateIn is update by somebody whose platform speaks a language.
func (c *Cluster) updateIn(lang string, chat int64, text string) map[string]any {
	c.mu.Lock()
	c.updates++
	n, who := c.updates, int64(owner)
	if c.people[chat] {
		who = chat
	}
	c.mu.Unlock()
	return map[string]any{"update_id": n, "message": map[string]any{
		"message_id": n, "date": time.Now().Unix(), "text": text,
		"from": map[string]any{"id": who, "first_name": "Ann", "language_code": lang}, "chat": map[string]any{"id": chat, "type": "private"},
	}}
}

// deliver posts an update, several times at once, until each post was acknowledged, as the platform does.
func (c *Cluster) deliver(ctx context.Context, update any, copies int) error {
	errs := make([]error, copies)
	var posts sync.WaitGroup
	for i := range copies {
		posts.Go(func() {
			errs[i] = poll(ctx, 300*time.Millisecond, func() error {
				once, cancel := context.WithTimeout(ctx, 25*time.Second)
				defer cancel()
				_, err := c.webhook(once, update, c.secrets["telegram-webhook-secret"])
				return err
			})
		})
	}
	posts.Wait()
	return errors.Join(errs...)
}

// webhook posts an update once, as the platform does or as somebody else.
func (c *Cluster) webhook(ctx context.Context, update any, secret string) (int, error) {
	return c.send(ctx, http.MethodPost, c.url+"/function/adapter-telegram", update, http.Header{"X-Telegram-Bot-Api-Secret-Token": {secret}})
}

// slowly stands in place of a task for words that the model takes its time about.
const slowly = "slowly"

// Say posts a message and writes down that it was acknowledged. Task names the task that it starts, "" for words.
func (c *Cluster) Say(ctx context.Context, p record.Posted, task string, copies int) error {
	text := "Tell me about " + p.Mark
	switch task {
	case "":
	case slowly:
		text = "Tell me slowly about " + p.Mark
	default:
		text = "run the " + task + " task " + p.Mark
	}
	if err := c.deliver(ctx, c.update(p.Chat, text), copies); err != nil {
		return fmt.Errorf("post %s: %w", p.Mark, err)
	}
	p.Acked = time.Now()
	return c.posted.Append(p)
}

// Lane is the lane of a chat.
func (c *Cluster) Lane(chat int64) string {
	return string(channel.Lane(c.ledger, message.Address{Platform: "telegram", Chat: fmt.Sprint(chat)}))
}

// RunOf is the lane of the run that the n-th message of a chat starts.
func (c *Cluster) RunOf(chat int64, n int) string {
	return string(c.ledger.RunFor(channel.Lane(c.ledger, message.Address{Platform: "telegram", Chat: fmt.Sprint(chat)}), fmt.Sprint(n)))
}
