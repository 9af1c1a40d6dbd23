package tasks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/journal"
)

// hookSkew is how far a webhook's timestamp may be from our clock (Standard Webhooks: a few minutes).
const hookSkew = 5 * time.Minute

// shortestKey is the least length of a webhook's key in bytes (Standard Webhooks says 24 to 64).
const shortestKey = 16

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
	if err := h.verifyHook(r.Header, body); err != nil {
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
	lane := h.ledger.RunFor(h.ledger.TasksLane(), plan.TaskID+"#"+r.Header.Get("webhook-id"))
	header, err := h.prepare(r.Context(), t, plan, journal.Request{ID: string(lane), Origin: journal.FromWebhook, Event: body})
	if err != nil {
		return "", err
	}
	if err := h.spawn(r.Context(), lane, header); err != nil {
		return "", err
	}
	return string(lane), h.remember(r.Context(), doc, t, lane)
}

func (h *handler) verifyHook(header http.Header, body []byte) error {
	secret, err := h.env.Secret("webhook-secret")
	if err != nil {
		return fault.As(fault.Unauthorized, err, "webhooks are not set up")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < shortestKey {
		return fault.As(fault.Unauthorized, err, "webhook-secret is not whsec_ and at least %d bytes as base64", shortestKey)
	}
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil || h.env.Now().Sub(time.Unix(seconds, 0)).Abs() > hookSkew {
		return fault.New(fault.Unauthorized, "the webhook has no id, or a timestamp that is not now")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for _, got := range strings.Fields(header.Get("webhook-signature")) {
		if hmac.Equal([]byte(got), want) {
			return nil
		}
	}
	return fault.New(fault.Unauthorized, "the webhook's signature is wrong")
}
