package slack_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/functions/adapters/slack"
	"github.com/hearthfaas/hearth/functions/adapters/slack/slacktest"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/channeltest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAdapter(t *testing.T) {
	refusal := func(code string) string { return `{"ok":false,"error":"` + code + `"}` }
	channeltest.Run(t, channeltest.Suite{
		Platform: "slack",
		Open:     slack.Open,
		Secrets:  map[string]string{"bot-token": slacktest.Token, "signing-secret": slacktest.Secret},
		Self:     message.Sender{ID: slacktest.Bot, Name: "hearth", Bot: true},
		Address:  message.Address{Platform: "slack", Chat: "C0OPS"},
		Thread:   "1790000000.000100",
		Message:  "1790000001.000200",
		Proof:    "signing-secret",
		Prove: func(secret string, r *channel.Request) {
			slacktest.Sign(r.Header, secret, r.Body, time.Now())
		},
		SignsBody: true,
		Text: func(t testing.TB, c channel.Call) string {
			var body struct{ Text string }
			if err := json.Unmarshal(c.Body, &body); err != nil {
				t.Fatal(err)
			}
			return body.Text
		},
		Answers: []channeltest.Answer{
			{Name: "sent", Status: 200, Body: `{"ok":true,"channel":"C0OPS","ts":"1790000001.000200"}`, ID: "1790000001.000200"},
			{Name: "asked who we are", Status: 200, Body: `{"ok":true,"user_id":"U0HEARTH"}`},
			{Name: "sent, but which", Status: 200, Body: `{"ok":true,"channel":"C0OPS"}`, Kind: fault.Unknown},
			{Name: "neither yes nor no", Status: 200, Body: `{}`, Kind: fault.Unknown},
			{Name: "bad blocks", Status: 200, Body: refusal("invalid_blocks"), Kind: fault.Invalid, Is: channel.ErrMarkup},
			{Name: "edit of nothing", Status: 200, Body: refusal("message_not_found"), Kind: fault.NotFound, Is: channel.ErrGone},
			{Name: "edit of another's", Status: 200, Body: refusal("cant_update_message"), Kind: fault.NotFound, Is: channel.ErrGone},
			{Name: "no channel", Status: 200, Body: refusal("channel_not_found"), Kind: fault.NotFound},
			{Name: "not invited", Status: 200, Body: refusal("not_in_channel"), Kind: fault.Forbidden},
			{Name: "archived", Status: 200, Body: refusal("is_archived"), Kind: fault.Forbidden},
			{Name: "too long", Status: 200, Body: refusal("msg_too_long"), Kind: fault.TooLarge},
			{Name: "anything else", Status: 200, Body: refusal("no_text"), Kind: fault.Failed},
			{Name: "token revoked", Status: 200, Body: refusal("token_revoked"), Kind: fault.Unavailable, After: 30 * time.Second},
			{Name: "scope missing", Status: 200, Body: `{"ok":false,"error":"missing_scope","needed":"chat:write"}`, Kind: fault.Unavailable, After: 30 * time.Second},
			{Name: "too many", Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: refusal("ratelimited"), Kind: fault.Limited, After: 7 * time.Second},
			{Name: "too many, no hint", Status: 429, Body: "", Kind: fault.Limited, After: time.Second},
			{Name: "too many, with 200", Status: 200, Body: refusal("ratelimited"), Kind: fault.Limited, After: time.Second},
			{Name: "internal", Status: 200, Body: refusal("internal_error"), Kind: fault.Unknown},
			{Name: "fatal", Status: 500, Body: refusal("fatal_error"), Kind: fault.Unknown},
			{Name: "a proxy's page", Status: 502, Body: "<html>Bad Gateway</html>", Kind: fault.Unknown},
			{Name: "away", Status: 503, Body: "<html>", Kind: fault.Unavailable, After: time.Second},
			{Name: "away, as an answer", Status: 200, Body: refusal("service_unavailable"), Kind: fault.Unavailable, After: time.Second},
		},
	})
}

// The request of "Verifying requests from Slack", with the secret and the signature that stand there.
func TestSlacksOwnSignature(t *testing.T) {
	const body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	made := time.Unix(1531420618, 0)
	for _, tt := range []struct {
		name   string
		at     time.Time
		stamp  string
		accept bool
	}{
		{"then", made, "1531420618", true},
		{"the last second", made.Add(5 * time.Minute), "1531420618", true},
		{"too old", made.Add(5*time.Minute + time.Second), "1531420618", false},
		{"from the future", made.Add(-5*time.Minute - time.Second), "1531420618", false},
		{"another time", made, "1531420619", false},
		{"no time", made, "", false},
		{"a strange time", made, "1531420618.0", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := fntest.Env(t, map[string]string{"SLACK_SIGNING_SECRET": "8f742231b10e8888abcd99yyyzzz85a5"})
			env.Now = func() time.Time { return tt.at }
			adapter, err := slack.Open(env)
			if err != nil {
				t.Fatal(err)
			}
			r := channel.Request{Body: []byte(body), Header: http.Header{
				"X-Slack-Request-Timestamp": {tt.stamp},
				"X-Slack-Signature":         {"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
			}}
			if _, err := adapter.Verify(channel.NewAccount(env, "slack", ""), r); (err == nil) != tt.accept {
				t.Errorf("accepted: %v, %v", err == nil, err)
			}
		})
	}
}
