package channel

import (
	"context"
	"strings"

	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// stopOwn stops all that is done for the one who says so, after the answers of this conversation were.
func (i *Intake) stopOwn(ctx context.Context, p policy.Principal, call vault.Call, halted int, lang string) (string, error) {
	text, err := nothing.In(lang), error(nil)
	if p.User != "" {
		text, err = i.stopRuns(ctx, p.User, call, lang)
	}
	if halted > 0 && text == nothing.In(lang) {
		text = hushed.In(lang)
	}
	return text, err
}

// stopRuns stops what is done for a user, or for everybody.
func (i *Intake) stopRuns(ctx context.Context, user string, call vault.Call, lang string) (string, error) {
	var out struct {
		Stopped []string `json:"stopped"`
		Lasts   bool     `json:"lasts"`
	}
	if err := i.gateway.Call(ctx, "system-tasks/stop", call, map[string]string{"user": user}, &out); err != nil {
		return "", err
	}
	text := nothing.In(lang)
	if len(out.Stopped) > 0 {
		text = decided[stop].In(lang, "`"+strings.Join(out.Stopped, "`, `")+"`") + "\n" + takenBack.In(lang)
	}
	if out.Lasts {
		text = strings.TrimPrefix(text, nothing.In(lang)) + "\n" + lasts.In(lang)
	}
	return strings.TrimSpace(text), nil
}

// resumed lets a user begin again, or everybody.
func (i *Intake) resumed(ctx context.Context, call vault.Call, user, lang string) (string, error) {
	if user == everything {
		user = ""
	}
	return goesOn.In(lang), i.gateway.Call(ctx, "system-tasks/resume", call, map[string]string{"user": user}, nil)
}
