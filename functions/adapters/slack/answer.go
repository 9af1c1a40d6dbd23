package slack

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
)

// answer is what every method of the Web API says. Errors come with status 200, except for rate limits.
type answer struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error"`
	Needed  string `json:"needed"` // the scope, with missing_scope
	Channel any    `json:"channel"`
	TS      string `json:"ts"`
}

// How long to wait when Slack does not say, and for somebody to set a token that works: nothing is thrown
// away meanwhile.
const (
	unhinted = 5 * time.Second
	unset    = 30 * time.Second
)

// The errors of the Web API that say more than "no" (the tables of chat.postMessage and chat.update).
var (
	badToken  = []string{"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type", "missing_scope", "no_permission", "two_factor_setup_required"}
	nobody    = []string{"channel_not_found", "user_not_found", "thread_not_found"}
	closedTo  = []string{"not_in_channel", "is_archived", "restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel", "restricted_action_non_threadable_channel", "restricted_action_thread_locked", "ekm_access_denied", "access_denied", "cannot_reply_to_message", "messages_tab_disabled", "team_access_not_granted"}
	gone      = []string{"message_not_found", "cant_update_message", "edit_window_closed"}
	badMarkup = []string{"invalid_blocks", "invalid_blocks_format"}
	limited   = []string{"ratelimited", "rate_limited", "message_limit_exceeded"}
	away      = []string{"service_unavailable", "team_added_to_org", "accesslimited"}
	inDoubt   = []string{"internal_error", "fatal_error", "request_timeout"} // "some aspect … may have succeeded"
)

// Classify reads an answer. The native id of a message is its ts; other methods have none.
func (adapter) Classify(a channel.Answer) (string, error) {
	got, err := read(a)
	if err != nil {
		return "", err
	}
	if got.TS == "" && got.Channel != nil {
		return "", fault.New(fault.Unknown, "Slack's answer names no message")
	}
	return got.TS, nil
}

// read returns a successful answer, or the error.
func read(a channel.Answer) (answer, error) {
	var got answer
	if a.Status == 429 {
		return got, held(a, "ratelimited")
	}
	if err := json.Unmarshal(a.Body, &got); err != nil || !got.OK && got.Error == "" {
		return got, outage(a.Status)
	}
	if got.OK {
		return got, nil
	}
	is := func(list []string) bool { return slices.Contains(list, got.Error) }
	switch {
	case is(badToken):
		why := got.Error
		if got.Needed != "" {
			why += ", it needs " + got.Needed
		}
		return got, fault.New(fault.Unavailable, "Slack does not accept the app's token: %s", why).
			Try("renew the app's tokens and its scopes").In(unset)
	case is(nobody):
		return got, fault.New(fault.NotFound, "Slack: %s", got.Error)
	case is(closedTo):
		return got, fault.New(fault.Forbidden, "Slack: %s", got.Error).Try("invite the bot into the channel")
	case is(gone):
		return got, channel.ErrGone
	case is(badMarkup):
		return got, channel.ErrMarkup
	case is(limited):
		return got, held(a, got.Error)
	case is(away):
		return got, fault.New(fault.Unavailable, "Slack: %s", got.Error).In(unhinted)
	case is(inDoubt):
		return got, fault.New(fault.Unknown, "Slack: %s", got.Error)
	case got.Error == "msg_too_long":
		return got, fault.New(fault.TooLarge, "Slack: %s", got.Error)
	default:
		return got, fault.New(fault.Failed, "Slack: %s", got.Error)
	}
}

// held is a rate limit: Retry-After has the seconds.
func held(a channel.Answer, why string) error {
	after := unhinted
	if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); err == nil {
		after = time.Duration(max(1, seconds)) * time.Second
	}
	return fault.New(fault.Limited, "Slack: %s", why).In(after)
}

// outage is an answer that did not come from the Web API itself. Except with 503, the call may have been
// carried out.
func outage(status int) error {
	if status == 503 {
		return fault.New(fault.Unavailable, "Slack is away (503)").In(unhinted)
	}
	return fault.New(fault.Unknown, "Slack failed (%d)", status)
}
