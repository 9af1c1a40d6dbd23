package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Token proves a statement of ours to ourselves: who somebody is, or what a link may be used for. For
// tells one use from another, so that a file link never signs anybody in.
type Token struct {
	For     string          `json:"for"` // user, file, link, mail …
	ID      string          `json:"id"`  // subject: the user, or what the use defines
	Role    string          `json:"role,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Expires int64           `json:"expires"` // unix seconds
}

// Issue returns t in the form that Redeem reads.
func (v *Vault) Issue(t Token) string {
	payload, err := json.Marshal(t)
	if err != nil {
		panic(err) // Data is valid JSON by contract
	}
	encoded := base64.RawURLEncoding.EncodeToString(payload)
	return "ht_" + encoded + "." + base64.RawURLEncoding.EncodeToString(v.tokenMAC(encoded))
}

// Redeem returns the token in text, for the given use. The error is Unauthorized when it is blank,
// forged, expired or for another use.
func (v *Vault) Redeem(use, text string, now time.Time) (Token, error) {
	encoded, signature, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), "ht_"), ".")
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if !found || err != nil || !hmac.Equal(sig, v.tokenMAC(encoded)) {
		return Token{}, fault.New(fault.Unauthorized, "the token is not ours")
	}
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return Token{}, fault.As(fault.Unauthorized, err, "the token is not base64")
	}
	var t Token
	if err := json.Unmarshal(payload, &t); err != nil {
		return Token{}, fault.As(fault.Unauthorized, err, "the token is not JSON")
	}
	if t.For != use {
		return Token{}, fault.New(fault.Unauthorized, "the token is for %s, not for %s", t.For, use)
	}
	if now.Unix() >= t.Expires {
		return Token{}, fault.New(fault.Unauthorized, "the token has expired")
	}
	return t, nil
}

func (v *Vault) tokenMAC(encoded string) []byte {
	mac := hmac.New(sha256.New, v.token)
	mac.Write([]byte(encoded))
	return mac.Sum(nil)
}
