package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hearthfaas/hearth/functions/adapters/telegram/telegramtest"
)

const webhookSecret = "Secret_of-the-webhook-1"

// ann is somebody whom the assistant does not know yet.
var ann = telegramtest.User{ID: 42, First: "Ann", Lang: "en"}

// TestTelegram is the way of a stranger to a finished run.
func TestTelegram(t *testing.T) {
	for _, placement := range placements {
		for _, intake := range []string{"webhook", "long poll"} {
			t.Run(intake+"/"+placement, func(t *testing.T) {
				t.Parallel()
				tg := telegramtest.New(t)
				settings := map[string]string{
					"HEARTH_INLINE": placement, "HEARTH_RECALL": "100ms",
					"TELEGRAM_API_URL": tg.URL, "TELEGRAM_BOT_TOKEN": telegramtest.Token,
				}
				if intake == "webhook" {
					settings["TELEGRAM_WEBHOOK_SECRET"] = webhookSecret
				}
				c := &telegramChat{run(t, settings), tg, tg.Person(ann)}
				t.Cleanup(c.show)
				if intake == "webhook" {
					c.setWebhook()
				}
				c.pair()
				c.report()
				c.elsewhere()
				if intake == "webhook" {
					c.duplicates()
					c.forged()
				}
				c.quiet()
			})
		}
	}
}

// telegramChat is Ann's private chat with the bot.
type telegramChat struct {
	*tester
	telegram *telegramtest.Server
	chat     telegramtest.Chat
}

// show writes down what the chat came to, for who has to find out why the test failed.
func (c *telegramChat) show() {
	if c.Failed() {
		for _, m := range c.telegram.Messages(c.chat.ID) {
			c.Log(m)
		}
	}
}

func (c *telegramChat) setWebhook() {
	c.Helper()
	body := fmt.Sprintf(`{"url":"%s/function/adapter-telegram","secret_token":%q}`, c.url, webhookSecret)
	resp, err := http.Post(c.telegram.URL+"/bot"+telegramtest.Token+"/setWebhook", "application/json", strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		c.Fatal(resp.Status)
	}
}

// heard waits for a message of the bot that is new and fits a pattern, and returns it with its groups.
func (c *telegramChat) heard(known int, pattern string) (telegramtest.Message, []string) {
	c.Helper()
	exp := regexp.MustCompile(pattern)
	var found telegramtest.Message
	c.telegram.Wait(c, "a message like "+pattern, func() bool {
		for _, m := range c.telegram.FromBot(c.chat.ID)[known:] {
			if exp.MatchString(m.Text) {
				found = m
				return true
			}
		}
		return false
	})
	return found, exp.FindStringSubmatch(found.Text)
}

// pair makes Ann known as the owner.
func (c *telegramChat) pair() {
	c.Helper()
	c.telegram.Say(c.chat, ann, "hello")
	_, code := c.heard(0, `hearth pair ([A-Z0-9]+)`)
	out, errs, exit := c.hearth("pair", code[1])
	if exit != 0 || !strings.Contains(out, "now acts as owner") {
		c.Fatalf("pair: exit %d\n%s%s", exit, out, errs)
	}
}

// report has a report made and sent.
func (c *telegramChat) report() {
	c.Helper()
	known := len(c.telegram.FromBot(c.chat.ID))
	c.telegram.Say(c.chat, ann, "create today's sales report and email it to team@example.com")
	card, _ := c.heard(known, `team@example\.com`)
	if card.Markup == nil || len(card.Markup.Rows) == 0 || !strings.HasPrefix(card.Markup.Rows[0][0].Data, "a:r") {
		c.Fatalf("the plan has no button to approve it: %+v", card)
	}
	known = len(c.telegram.FromBot(c.chat.ID))
	press := c.telegram.Press(card, ann, card.Markup.Rows[0][0].Data)
	c.heard(known, `(?s)^Done.*email_sender|✓.*email_sender|email_sender.*✓`)
	if !c.telegram.Acknowledged(press) {
		c.Error("the button still looks busy")
	}
	if n := len(c.mails("")); n != 1 {
		c.Errorf("%d mails", n)
	}
}

// elsewhere has a plan made in Telegram, and approves it by its id in the browser. The button in Telegram then
// says who it was.
func (c *telegramChat) elsewhere() {
	c.Helper()
	known := len(c.telegram.FromBot(c.chat.ID))
	c.telegram.Say(c.chat, ann, "create today's sales report and email it to second@example.com")
	card, groups := c.heard(known, `(?s)second@example\.com.*Run (r\S+)`)
	known = len(c.telegram.FromBot(c.chat.ID))
	c.say("elsewhere", "/approve "+groups[1], "approve")
	c.heard(known, `(?s)^Done.*email_sender|✓.*email_sender`)
	known = len(c.telegram.FromBot(c.chat.ID))
	c.telegram.Press(card, ann, card.Markup.Rows[0][0].Data)
	c.heard(known, `owner decided already, at .* UTC`)
}

// letter is a mail in the local mailbox.
type letter struct {
	ID      string   `json:"id"`
	To      []string `json:"to"`
	Subject string   `json:"subject"`
}

// mails returns the mails whose subject contains some words.
func (b *tester) mails(words string) []letter {
	b.Helper()
	var got struct {
		Mails []letter `json:"mails"`
	}
	b.must("GET", "/function/system-mail/", nil, &got)
	return slices.DeleteFunc(got.Mails, func(m letter) bool { return !strings.Contains(m.Subject, words) })
}

// duplicates delivers one update ten times at once, as Telegram may when it does not hear the answer.
func (c *telegramChat) duplicates() {
	c.Helper()
	known := len(c.telegram.FromBot(c.chat.ID))
	update, err := json.Marshal(map[string]any{"update_id": 900001, "message": map[string]any{
		"message_id": 900002, "from": ann, "chat": c.chat, "date": 1_780_000_000, "text": "你好",
	}})
	if err != nil {
		c.Fatal(err)
	}
	var posts sync.WaitGroup
	for range 10 {
		posts.Go(func() {
			if status := c.post(update, webhookSecret); status < 200 || status > 299 {
				c.Errorf("a duplicate is answered with %d", status)
			}
		})
	}
	posts.Wait()
	c.heard(known, `你好！我是`)
}

func (c *telegramChat) forged() {
	c.Helper()
	for _, secret := range []string{"", "Secret_of-the-webhook-2"} {
		if status := c.post([]byte(`{"update_id":900003}`), secret); status != http.StatusUnauthorized {
			c.Errorf("secret %q: %d", secret, status)
		}
	}
}

func (c *telegramChat) post(update []byte, secret string) int {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), http.MethodPost, c.url+"/function/adapter-telegram", bytes.NewReader(update))
	if err != nil {
		c.Error(err)
		return 0
	}
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
	resp, err := client.Do(req)
	if err != nil {
		c.Error(err)
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // only its status counts
	return resp.StatusCode
}

// quiet says a last thing and, once it is answered, expects that nothing was said twice: an answer never
// overtakes another one of its chat.
func (c *telegramChat) quiet() {
	c.Helper()
	known := len(c.telegram.FromBot(c.chat.ID))
	c.telegram.Say(c.chat, ann, "hello once more")
	c.heard(known, `I am not a language model`)
	texts := map[string]int{}
	for _, m := range c.telegram.FromBot(c.chat.ID) {
		if texts[m.Text]++; texts[m.Text] > 1 && !strings.Contains(m.Text, "I am not a language model") {
			c.Errorf("said twice: %s", m.Text)
		}
	}
	if n := len(c.mails("")); n != 2 {
		c.Errorf("%d mails", n)
	}
}
