package tasks

import (
	"context"
	"strings"

	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/policy"
)

// budgets shows where the budgets of somebody stand: one's own, or with ?user= and ?task= those of another, if one
// may see them.
func (h *handler) budgets(ctx context.Context, r gateway.Request) (any, error) {
	who := budget.Who{User: r.URL.Query().Get("user"), Task: r.URL.Query().Get("task")}
	if who.User == "" {
		who.User = r.By.User
	}
	if err := policy.May(r.By, policy.See, who.User); err != nil {
		return nil, err
	}
	if who.Task != "" {
		t, _, _, err := h.load(ctx, who.Task)
		if err != nil {
			return nil, err
		}
		if err := policy.May(r.By, policy.See, t.Owner); err != nil {
			return nil, err
		}
	}
	lines, err := h.budget.Lines(ctx, who)
	if err != nil {
		return nil, err
	}
	shown := []budget.Line{}
	for _, line := range lines {
		if !strings.HasPrefix(line.Budget, "all ") || policy.May(r.By, policy.Command, "") == nil {
			shown = append(shown, line)
		}
	}
	return map[string]any{"budgets": shown}, nil
}
