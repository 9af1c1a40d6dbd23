// Package webhook signs and verifies as Standard Webhooks says
// (github.com/standard-webhooks/standard-webhooks): HMAC-SHA256 over id, time and body, version v1.
package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// The headers of a signed request.
const (
	IDHeader        = "Webhook-Id"
	TimeHeader      = "Webhook-Timestamp"
	SignatureHeader = "Webhook-Signature"
)

const (
	tolerance = 5 * time.Minute // of a time
	maxID     = 256             // bytes
	prefix    = "whsec_"
	// Sizes of a key in bytes, before base64.
	minKey = 24
	maxKey = 64
)

// Keys are the keys of one secret: while it is changed, the old and the new one stand in it.
type Keys [][]byte

// NewSecret returns a secret with one key.
func NewSecret() string {
	key := make([]byte, 32)
	rand.Read(key)
	return prefix + base64.StdEncoding.EncodeToString(key)
}

// ParseKeys reads the secret of that name: one key or more, with blanks between them. One that is damaged makes all
// of them useless, so that it is found out at once. The error is Unauthorized.
func ParseKeys(name, secret string) (Keys, error) {
	var keys Keys
	for _, one := range strings.Fields(secret) {
		encoded, found := strings.CutPrefix(one, prefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil || len(key) < minKey || len(key) > maxKey {
			return nil, fault.New(fault.Unauthorized, "the secret %s is not %s and base64 of %d to %d bytes", name, prefix, minKey, maxKey).
				Try("echo " + prefix + "$(head -c 32 /dev/urandom | base64)")
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fault.New(fault.Unauthorized, "the secret %s is blank", name)
	}
	return keys, nil
}

// Verify returns the id of a request that one of the keys signed, together with its body and a time of now.
func (k Keys) Verify(h http.Header, body []byte, now time.Time) (id string, err error) {
	id = h.Get(IDHeader)
	if id == "" || len(id) > maxID {
		return "", fault.New(fault.Unauthorized, "%s has 1 to %d bytes, not %d", IDHeader, maxID, len(id))
	}
	stamp := h.Get(TimeHeader)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return "", fault.As(fault.Unauthorized, err, "%s is not a time", TimeHeader)
	}
	if age := now.Sub(time.Unix(seconds, 0)).Abs(); age > tolerance {
		return "", fault.New(fault.Unauthorized, "%s is %v off", TimeHeader, age)
	}
	for _, key := range k {
		want := []byte(signature(key, id, stamp, body))
		for _, got := range strings.Fields(h.Get(SignatureHeader)) {
			if hmac.Equal([]byte(got), want) {
				return id, nil
			}
		}
	}
	return "", fault.New(fault.Unauthorized, "%s has no signature of ours", SignatureHeader)
}

// Sign puts the id, the time and a signature by each key on a request, so that a receiver may have either.
func (k Keys) Sign(h http.Header, id string, body []byte, now time.Time) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, len(k))
	for i, key := range k {
		signatures[i] = signature(key, id, stamp, body)
	}
	h.Set(IDHeader, id)
	h.Set(TimeHeader, stamp)
	h.Set(SignatureHeader, strings.Join(signatures, " "))
}

func signature(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
