package tasks

import (
	"context"

	"github.com/hearthfaas/hearth/shared/alert"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

// listAlerts returns the alerts that the caller may see, newest first.
func (h *handler) listAlerts(ctx context.Context, r gateway.Request) (any, error) {
	all, err := alert.List(ctx, h.ledger)
	if err != nil {
		return nil, err
	}
	list := []alert.Alert{}
	for _, a := range all {
		if mayOf(r.By, policy.See, a) == nil {
			list = append(list, a)
		}
	}
	return map[string]any{"alerts": list}, nil
}

// mayOf is policy.May about an alert: one that concerns nobody by name is for operators.
func mayOf(by policy.Principal, action policy.Action, a alert.Alert) error {
	if a.User == "" {
		action = policy.Command
	}
	return policy.May(by, action, a.User)
}

func (h *handler) resolveAlert(ctx context.Context, r gateway.Request) (any, error) {
	a, err := alert.Find(ctx, h.ledger, r.PathValue("alert"))
	if err != nil {
		return nil, err
	}
	if err := mayOf(r.By, policy.Decide, a); err != nil {
		return nil, err
	}
	return alert.Resolve(ctx, h.ledger, a.ID, r.By.User)
}

// placeAlerts makes a conversation hear of alerts, or no more. Only the adapter of its platform may say so: it
// knows who spoke where.
func (h *handler) placeAlerts(ctx context.Context, r gateway.Request) (any, error) {
	var in struct {
		Address message.Address `json:"address"`
		Sender  string          `json:"sender"`
		Lang    string          `json:"lang"`
		On      bool            `json:"on"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if r.By.Via != "adapter-"+in.Address.Platform {
		return nil, fault.New(fault.Forbidden, "this is said in the conversation itself").Try("/alerts here")
	}
	if err := policy.May(r.By, policy.See, r.By.User); err != nil {
		return nil, err
	}
	all := policy.May(r.By, policy.Command, "") == nil
	if !in.On {
		return map[string]bool{"all": all}, alert.Off(ctx, h.ledger, in.Address, r.By)
	}
	place := alert.Place{Address: in.Address, User: r.By.User, Role: r.By.Role, Sender: in.Sender, Lang: in.Lang, At: h.env.Now()}
	return map[string]bool{"all": all}, alert.Here(ctx, h.ledger, place)
}
