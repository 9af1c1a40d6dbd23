package tasks

import (
	"encoding/json"
	"net/http"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/webhook"
)

// hook starts a task whose trigger is a webhook. The request is signed as Standard Webhooks says
// (standardwebhooks.com: webhook-id, webhook-timestamp, webhook-signature) with the secret
// "webhook-secret"; the same webhook-id starts one run only.
func (h *handler) hook(w http.ResponseWriter, r *http.Request) {
	run, err := h.hooked(r)
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	fn.Reply(w, http.StatusAccepted, map[string]string{"run": run})
}

func (h *handler) hooked(r *http.Request) (string, error) {
	body, err := fn.ReadBody(r)
	if err != nil {
		return "", err
	}
	id, err := h.verifyHook(r.Header, body)
	if err != nil {
		return "", err
	}
	if !json.Valid(body) {
		return "", fault.New(fault.Invalid, "the body is not JSON")
	}
	t, plan, doc, err := h.load(r.Context(), r.PathValue("task"))
	if err != nil {
		return "", err
	}
	if plan.Trigger == nil || plan.Trigger.Type != "webhook" {
		return "", fault.New(fault.Forbidden, "the task %s has no webhook trigger", plan.TaskID)
	}
	if t.Off {
		return "", fault.New(fault.Forbidden, "the task %s is turned off", plan.TaskID)
	}
	lane := h.ledger.RunFor(h.ledger.TasksLane(), plan.TaskID+"#"+id)
	header, err := h.prepare(r.Context(), t, plan, journal.Request{ID: string(lane), Origin: journal.FromWebhook, Event: body})
	if err != nil {
		return "", err
	}
	if _, err := h.spawn(r.Context(), lane, header); err != nil {
		return "", err
	}
	return string(lane), h.remember(r.Context(), &doc, t, lane)
}

// verifyHook returns the id of a request that somebody with the secret signed.
func (h *handler) verifyHook(header http.Header, body []byte) (string, error) {
	secret, err := h.env.Secret("webhook-secret")
	if err != nil {
		return "", fault.As(fault.Unauthorized, err, "webhooks are not set up")
	}
	keys, err := webhook.ParseKeys("webhook-secret", secret)
	if err != nil {
		return "", err
	}
	return keys.Verify(header, body, h.env.Now())
}
