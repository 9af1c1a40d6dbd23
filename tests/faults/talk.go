package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/vault"
	"github.com/hearthfaas/hearth/tests/faults/record"
)

// The tasks that people start by saying so. No phrase is part of another.
var tasks = map[string]string{
	"plain":  `{"op":"apply"}`,
	"single": `{"op":"once"}`,
	"slow":   `{"op":"once","wait":8000}`,
	"mixed":  `{"op":"apply"} {"op":"once"}`,
	"first":  `{"op":"fail"}`,
	"second": `{"op":"apply"} {"op":"fail"}`,
	"broken": `{"op":"apply"} {"op":"apply"} {"op":"fail"}`,
	"fourth": `{"op":"apply"} {"op":"apply"} {"op":"apply"} {"op":"fail"}`,
	"crashy": `{"op":"crash"} {"op":"apply"}`,
	"stuck":  `{"op":"apply"} {"op":"stuck"} {"op":"fail"}`,
}

// settleIn makes what the talk needs: the owner is known on the platform, and the tasks are there.
func (c *Cluster) settleIn(ctx context.Context) error {
	if err := c.pair(ctx); err != nil {
		return err
	}
	for name, ops := range tasks {
		var steps []string
		for op := range strings.FieldsSeq(ops) {
			steps = append(steps, fmt.Sprintf(`{"plugin":"effect","approval":"never","params":%s}`, op))
		}
		task := fmt.Sprintf(`{"task_id":%q,"trigger":{"type":"message","phrase":"run the %s task"},"steps":[%s]}`, name, name, strings.Join(steps, ","))
		if _, err := c.send(ctx, http.MethodPut, c.url+"/function/system-tasks/"+name, json.RawMessage(task), c.signedIn()); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) signedIn() http.Header {
	token := c.vault.Issue(vault.Token{For: "user", ID: "owner", Role: "owner", Expires: time.Now().Add(24 * time.Hour).Unix()})
	return http.Header{"Authorization": {"Bearer " + token}}
}

var pairing = regexp.MustCompile(`hearth pair ([A-Z0-9]+)`)

// pair links the person on the platform to the owner of the bundle, by the code that the bot says.
func (c *Cluster) pair(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := c.deliver(ctx, c.update(owner, "/pair"), 1); err != nil {
		return err
	}
	var code string
	err := poll(ctx, 50*time.Millisecond, func() error {
		sent, err := record.Read[record.Sent](filepath.Join(c.Dir, record.SentFile))
		for _, s := range sent {
			if found := pairing.FindStringSubmatch(s.Text); found != nil {
				code = found[1]
				return nil
			}
		}
		return errors.Join(err, errors.New("the bot says no code"))
	})
	if err != nil {
		return err
	}
	_, err = c.send(ctx, http.MethodPost, c.url+"/function/system-auth/pair", map[string]string{"code": code}, c.signedIn())
	return err
}

// update is what the platform posts for a message of the owner in a chat.
func (c *Cluster) update(chat int64, text string) map[string]any {
	c.mu.Lock()
	c.updates++
	n := c.updates
	c.mu.Unlock()
	return map[string]any{"update_id": n, "message": map[string]any{
		"message_id": n, "date": time.Now().Unix(), "text": text,
		"from": map[string]any{"id": owner, "first_name": "Ann", "language_code": "en"}, "chat": map[string]any{"id": chat, "type": "private"},
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

// Say posts a message and writes down that it was acknowledged. Task names the task that it starts, "" for words.
func (c *Cluster) Say(ctx context.Context, p record.Posted, task string, copies int) error {
	text := "Tell me about " + p.Mark
	if task != "" {
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
