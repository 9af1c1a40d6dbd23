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
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Secret is the secret of the specification's examples.
const Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// Receiver is a server that takes replies.
type Receiver struct {
	URL string // of the replies

	secret string
	now    func() time.Time

	mu       sync.Mutex
	seen     map[string]bool // by webhook-id
	taken    []Reply
	attempts []string // the webhook-id of each request that came, taken or not
	failures []Failure
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

// Failure is what the next request hears.
type Failure struct {
	Status     int
	RetryAfter string
	Drop       bool // take the reply, and break the connection before the answer
	Lose       bool // break the connection, and take nothing
}

// New starts a receiver that ends with the test.
func New(t testing.TB, secret string, now func() time.Time) *Receiver {
	t.Helper()
	r := &Receiver{secret: secret, now: now, seen: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(r.serve))
	r.URL = server.URL + "/hooks/hearth?team=7"
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return r
}

// Fail injects failures, used up in this order.
func (r *Receiver) Fail(failures ...Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, failures...)
}

// Taken returns the replies that were taken, each once.
func (r *Receiver) Taken() []Reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.taken)
}

// Attempts returns the webhook-id of each request that came.
func (r *Receiver) Attempts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.attempts)
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	id := req.Header.Get("webhook-id")
	r.attempts = append(r.attempts, id)
	switch {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		return
	case req.Method != http.MethodPost || req.URL.Path != "/hooks/hearth" || req.URL.Query().Get("team") != "7":
		w.WriteHeader(http.StatusNotFound)
		return
	case !proven(r.secret, req.Header, body, r.now()):
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var f Failure
	if len(r.failures) > 0 {
		f, r.failures = r.failures[0], r.failures[1:]
	}
	if f.Status != 0 {
		w.Header().Set("Retry-After", f.RetryAfter)
		w.WriteHeader(f.Status)
		return
	}
	if f.Lose {
		panic(http.ErrAbortHandler)
	}
	reply := Reply{ID: id}
	if err := json.Unmarshal(body, &reply); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !r.seen[id] {
		r.seen[id] = true
		r.taken = append(r.taken, reply)
	}
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusNoContent)
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
