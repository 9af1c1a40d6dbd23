// Package webhooktest is the program at the other end of the webhook adapter, as Standard Webhooks has it
// (spec/standard-webhooks.md): it signs what it sends, and takes only what is signed, each webhook-id once.
package webhooktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel/platformtest"
)

// Secret is the secret of the specification's examples.
const Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// Receiver is a server that takes replies.
type Receiver struct {
	*platformtest.Base
	URL string // of the replies

	secret string
	now    func() time.Time

	mu    sync.Mutex
	seen  map[string]bool // by webhook-id
	taken []Reply
}

// Reply is a reply that was taken.
type Reply struct {
	ID   string
	Type string `json:"type"`
	Data struct {
		Session string `json:"session"`
		Thread  string `json:"thread"`
		Text    string `json:"text"`
		Part    int    `json:"part"`
		Parts   int    `json:"parts"`
		ReplyTo string `json:"reply_to"`
		Buttons [][]struct{ Label, Value, Style string }
	} `json:"data"`
}

// Failure makes a request fail.
type Failure = platformtest.Failure

// New starts a receiver that ends with the test.
func New(t testing.TB, secret string, now func() time.Time) *Receiver {
	t.Helper()
	r := &Receiver{secret: secret, now: now, seen: map[string]bool{}}
	platformtest.Start(t, func(b *platformtest.Base) http.HandlerFunc {
		b.Now, r.Base, r.URL = now, b, b.URL+"/hooks/hearth?team=7"
		return r.serve
	})
	return r
}

// Taken returns the replies that were taken, each once.
func (r *Receiver) Taken() []Reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.taken)
}

// Attempts returns the webhook-id of each request that came, taken or not.
func (r *Receiver) Attempts() []string {
	var ids []string
	for _, c := range r.Calls("") {
		ids = append(ids, c.Header.Get("webhook-id"))
	}
	return ids
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	var reply Reply
	if err == nil {
		err = json.Unmarshal(body, &reply)
	}
	reply.ID = req.Header.Get("webhook-id")
	c := platformtest.Call{Method: "reply", Chat: reply.Data.Session, Params: body}
	r.Serve(w, req, c, func() platformtest.Answer {
		switch {
		case req.Method != http.MethodPost || req.URL.Path != "/hooks/hearth" || req.URL.Query().Get("team") != "7":
			return status(http.StatusNotFound, 0)
		case !proven(r.secret, req.Header, body, r.now()):
			return status(http.StatusUnauthorized, 0)
		case err != nil:
			return status(http.StatusBadRequest, 0)
		}
		r.take(reply)
		return status(http.StatusNoContent, 0)
	}, func(f Failure) platformtest.Answer { return status(f.Status, f.RetryAfter) })
}

// take keeps a reply that was not taken before.
func (r *Receiver) take(reply Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.Touch()
	if !r.seen[reply.ID] {
		r.seen[reply.ID] = true
		r.taken = append(r.taken, reply)
	}
}

// status is an answer without a body. after is a Retry-After in seconds, 0 for none.
func status(code, after int) platformtest.Answer {
	return func(w http.ResponseWriter) {
		if after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(after))
		}
		w.WriteHeader(code)
	}
}

// proven verifies as the specification says.
func proven(secret string, header http.Header, body []byte, now time.Time) bool {
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" || strings.Contains(id, ".") || now.Sub(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	for _, one := range strings.Split(header.Get("webhook-signature"), " ") {
		if hmac.Equal([]byte(one), []byte(signature(secret, id, stamp, body))) {
			return true
		}
	}
	return false
}

func signature(secret, id, stamp string, body []byte) string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")) // a bad secret is a wrong one
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + string(body)))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Sign puts the proof of a body into a header.
func Sign(header http.Header, secret, id string, body []byte, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", stamp)
	header.Set("webhook-signature", signature(secret, id, stamp, body))
}
