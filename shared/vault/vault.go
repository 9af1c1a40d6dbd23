// Package vault keeps data unreadable outside the deployment and calls between functions authentic. All
// keys derive from one master key, ENCRYPTION_KEY, by HKDF-SHA256 (RFC 5869) with a label per use.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"sync"

	"github.com/hearthfaas/hearth/shared/fault"
)

// KeySize is the length of the master key in bytes.
const KeySize = 32

// Vault derives every key of a deployment from its master key. It is safe for concurrent use.
type Vault struct {
	master [KeySize]byte
	id     [4]byte // names the master key in sealed values, so that a wrong key is told from damage
	tag    []byte  // key of Blind
	token  []byte  // key of tokens and capabilities

	calls sync.Map // function name → key of its calls: each message takes eight of them

	mu    sync.Mutex
	boxes map[string]*Box // of places used lately: deriving a key costs more than sealing with it
}

// maxBoxes bounds the boxes that are remembered; then it is begun anew.
const maxBoxes = 4096

// Parse reads a master key: 32 bytes as hex or base64 (standard or URL alphabet, padding optional).
func Parse(text string) (*Vault, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, fault.New(fault.Invalid, "the key is empty").At("ENCRYPTION_KEY").Try("openssl rand -base64 32")
	}
	raw, err := hex.DecodeString(text)
	if err != nil {
		plain := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(text)
		raw, err = base64.RawStdEncoding.DecodeString(plain)
	}
	if err != nil || len(raw) != KeySize {
		return nil, fault.New(fault.Invalid, "want 32 bytes as base64 or hex").At("ENCRYPTION_KEY").Try("openssl rand -base64 32")
	}
	return New([KeySize]byte(raw)), nil
}

// New returns the vault of a master key.
func New(master [KeySize]byte) *Vault {
	v := &Vault{master: master}
	v.id = [4]byte(v.derive("id", 4))
	v.tag = v.derive("blind", 32)
	v.token = v.derive("token", 32)
	return v
}

// Generate returns a new master key in the form that Parse reads.
func Generate() string {
	var key [KeySize]byte
	rand.Read(key[:]) // never fails since Go 1.24
	return base64.StdEncoding.EncodeToString(key[:])
}

// derive returns n bytes for one use of the master key.
func (v *Vault) derive(label string, n int) []byte {
	key, err := hkdf.Key(sha256.New, v.master[:], nil, "hearth/v1/"+label, n)
	if err != nil {
		panic(err) // only for n > 8160
	}
	return key
}

// sealed values: version byte, key id, nonce, AES-256-GCM ciphertext.
const (
	sealVersion = 1
	sealHeader  = 1 + 4
)

// Box seals the values of one place, such as one session. One key per place keeps random nonces far from
// their limit. A Box is safe for concurrent use.
type Box struct {
	place string
	id    [4]byte
	aead  cipher.AEAD
}

// Box returns the box of a place.
func (v *Vault) Box(place string) *Box {
	v.mu.Lock()
	defer v.mu.Unlock()
	if b := v.boxes[place]; b != nil {
		return b
	}
	if v.boxes == nil || len(v.boxes) >= maxBoxes {
		v.boxes = map[string]*Box{}
	}
	b := v.newBox(place)
	v.boxes[place] = b
	return b
}

func (v *Vault) newBox(place string) *Box {
	block, err := aes.NewCipher(v.derive("seal/"+place, 32))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has 16-byte blocks
	}
	return &Box{place: place, id: v.id, aead: aead}
}

// Seal encrypts plain for a field of the place. The field is authenticated, so that a sealed value moved
// elsewhere does not open. The result is 33 bytes longer than plain.
func (b *Box) Seal(field string, plain []byte) []byte {
	out := make([]byte, sealHeader+b.aead.NonceSize(), sealHeader+b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	out[0] = sealVersion
	copy(out[1:], b.id[:])
	nonce := out[sealHeader:]
	rand.Read(nonce)
	return b.aead.Seal(out, nonce, plain, []byte(field))
}

// Open decrypts what Seal made for the same field. The error is Internal for a damaged or misplaced
// value, and Invalid for one that another master key sealed.
func (b *Box) Open(field string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealHeader+b.aead.NonceSize() || sealed[0] != sealVersion {
		return nil, fault.New(fault.Internal, "not a sealed value").At(b.place + " " + field)
	}
	if [4]byte(sealed[1:sealHeader]) != b.id {
		return nil, fault.New(fault.Invalid, "sealed with another ENCRYPTION_KEY").At(b.place + " " + field).
			Try("start with the key this data was made with")
	}
	nonce := sealed[sealHeader : sealHeader+b.aead.NonceSize()]
	plain, err := b.aead.Open(nil, nonce, sealed[sealHeader+b.aead.NonceSize():], []byte(field))
	if err != nil {
		return nil, fault.As(fault.Internal, err, "a sealed value is damaged").At(b.place + " " + field)
	}
	return plain, nil
}

// Blind returns a name for value that tells nothing about it and is always the same: 26 characters of
// lower-case base32. Parts are length-prefixed, so that ("a","bc") and ("ab","c") differ.
func (v *Vault) Blind(parts ...string) string {
	mac := hmac.New(sha256.New, v.tag)
	for _, p := range parts {
		mac.Write([]byte{byte(len(p) >> 24), byte(len(p) >> 16), byte(len(p) >> 8), byte(len(p))})
		mac.Write([]byte(p))
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:16]))
}

// CallKey returns the public key that plugins verify calls with: the secret "hearth-call-key".
func (v *Vault) CallKey() ed25519.PublicKey {
	return v.callKey().Public().(ed25519.PublicKey)
}

func (v *Vault) callKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(v.derive("call/plugins", ed25519.SeedSize))
}
