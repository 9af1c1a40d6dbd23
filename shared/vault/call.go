package vault

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// CallHeader carries a signed Call on every request between functions.
const CallHeader = "Hearth-Call"

// CallLife is how long a signed call is accepted after it was made.
const CallLife = time.Minute

// skew is the difference between two machines' clocks that is tolerated.
const skew = 30 * time.Second

// Call says who calls which function for whom, and under which claim. It is signed with the body's hash,
// so that neither can be changed or sent elsewhere.
type Call struct {
	From    string `json:"from"`             // the calling function
	To      string `json:"to"`               // the called function
	User    string `json:"user,omitempty"`   // the principal's user
	Role    string `json:"role,omitempty"`   // the principal's role
	Lane    string `json:"lane,omitempty"`   // the session or run the call works on
	Step    string `json:"step,omitempty"`   // the step of the run
	Owner   string `json:"owner,omitempty"`  // the claim: holder …
	Epoch   int64  `json:"epoch,omitempty"`  // … and fencing token
	Expires int64  `json:"expires"`          // unix milliseconds
	Body    string `json:"body"`             // SHA-256 of the body, hex
	Plugin  bool   `json:"plugin,omitempty"` // signed with Ed25519 for a plugin
	Key     string `json:"key,omitempty"`    // idempotency key of the effect
}

// Sign returns the value of CallHeader for a call with this body, made at now. Calls to a plugin are
// signed with Ed25519, because plugins hold only the public key; all others with an HMAC key of the
// called function.
func (v *Vault) Sign(c Call, body []byte, now time.Time) string {
	c.Expires = now.Add(CallLife).UnixMilli()
	c.Body = digest(body)
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and integers only
	}
	encoded := base64.RawURLEncoding.EncodeToString(payload)
	var sig []byte
	if c.Plugin {
		sig = ed25519.Sign(v.callKey(), []byte(encoded))
	} else {
		sig = v.callMAC(c.To, encoded)
	}
	return encoded + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// Verify returns the call that header proves, for the function to. The error is Unauthorized when the
// header is missing, forged, expired, meant for another function or another body.
func (v *Vault) Verify(header, to string, body []byte, now time.Time) (Call, error) {
	return verify(header, to, body, now, func(encoded string, sig []byte) bool {
		return hmac.Equal(sig, v.callMAC(to, encoded))
	})
}

// VerifyPlugin is Verify for a plugin, which has nothing but the public key.
func VerifyPlugin(key ed25519.PublicKey, header, to string, body []byte, now time.Time) (Call, error) {
	return verify(header, to, body, now, func(encoded string, sig []byte) bool {
		return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, []byte(encoded), sig)
	})
}

func verify(header, to string, body []byte, now time.Time, authentic func(encoded string, sig []byte) bool) (Call, error) {
	if header == "" {
		return Call{}, fault.New(fault.Unauthorized, "%s takes signed calls only", to)
	}
	encoded, signature, found := strings.Cut(header, ".")
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if !found || err != nil || !authentic(encoded, sig) {
		return Call{}, fault.New(fault.Unauthorized, "the call's signature is not ours")
	}
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return Call{}, fault.As(fault.Unauthorized, err, "the call is not base64")
	}
	var c Call
	if err := json.Unmarshal(payload, &c); err != nil {
		return Call{}, fault.As(fault.Unauthorized, err, "the call is not JSON")
	}
	expires := time.UnixMilli(c.Expires)
	switch {
	case c.To != to:
		return Call{}, fault.New(fault.Unauthorized, "the call is for %s, not for %s", c.To, to)
	case now.After(expires.Add(skew)) || now.Before(expires.Add(-CallLife-skew)):
		return Call{}, fault.New(fault.Unauthorized, "the call has expired or is from the future")
	case !hmac.Equal([]byte(c.Body), []byte(digest(body))):
		return Call{}, fault.New(fault.Unauthorized, "the body is not the one that was signed")
	}
	return c, nil
}

// callMAC signs with the key of the called function.
func (v *Vault) callMAC(to, encoded string) []byte {
	mac := hmac.New(sha256.New, v.callMACKey(to))
	mac.Write([]byte(encoded))
	return mac.Sum(nil)
}

// callMACKey is only asked for the names of functions of this deployment: of those that sign and verify.
func (v *Vault) callMACKey(to string) []byte {
	if key, ok := v.calls.Load(to); ok {
		return key.([]byte)
	}
	key := v.derive("call/"+to, 32)
	v.calls.Store(to, key)
	return key
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
