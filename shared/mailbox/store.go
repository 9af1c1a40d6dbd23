// Package mailbox keeps mail on this machine: a directory of messages, and the SMTP server on loopback that
// fills it when no mail server is configured. What lies here was never sent out.
package mailbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of a mailbox. Beyond them the oldest messages go.
const (
	MaxMessage  = 32 << 20 // bytes of one message
	MaxMessages = 1000
	MaxBytes    = 512 << 20
)

// idPattern is a message's name: its time in milliseconds and the hash of its Message-ID. It sorts by time.
var idPattern = regexp.MustCompile(`^[0-9]{13}-[0-9a-f]{20}$`)

const extension = ".eml"

// Store is a directory of messages. One process may add while others read.
type Store struct {
	dir string
	max int        // messages
	mu  sync.Mutex // of Add
}

// Open returns the mailbox in dir, which need not exist before the first message.
func Open(dir string) *Store { return &Store{dir: dir, max: MaxMessages} }

// Add keeps a message that arrived at a time for the recipients of its envelope, who need not be those of its
// header. It is durable when Add returns. A message whose Message-ID is there already is not kept again. The
// error is TooLarge or Unavailable.
func (s *Store) Add(raw []byte, recipients []string, at time.Time) (id string, err error) {
	if len(raw) > MaxMessage {
		return "", fault.New(fault.TooLarge, "the message is over %d bytes", MaxMessage)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", fault.As(fault.Unavailable, err, "the mailbox's folder cannot be made")
	}
	name := digest(raw)
	ids, err := s.ids()
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		if strings.HasSuffix(id, name) {
			return id, nil
		}
	}
	id = fmt.Sprintf("%013d-%s", at.UnixMilli(), name)
	content := append([]byte(envelope(recipients)), raw...)
	if err := s.write(id, content); err != nil {
		return "", fault.As(fault.Unavailable, err, "the mailbox takes no message")
	}
	return id, s.prune(append([]string{id}, ids...))
}

// digest names a message by its Message-ID, or by all of it when it has none.
func digest(raw []byte) string {
	key := raw
	if id := messageID(raw); id != "" {
		key = []byte(id)
	}
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:10])
}

// write puts content into place at once: a reader sees all of it or nothing, also after a crash.
func (s *Store) write(id string, content []byte) error {
	f, err := os.CreateTemp(s.dir, "new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.path(id))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(s.dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// prune removes the oldest messages of ids, which is newest first, until the rest is within the bounds.
func (s *Store) prune(ids []string) error {
	total := int64(0)
	for i, id := range ids {
		info, err := os.Stat(s.path(id))
		if err != nil {
			continue // removed by somebody else
		}
		if total += info.Size(); i == 0 || i < s.max && total <= MaxBytes {
			continue
		}
		if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.As(fault.Unavailable, err, "an old message cannot be removed")
		}
	}
	return nil
}

// ids lists the messages, newest first.
func (s *Store) ids() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "the mailbox cannot be read")
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), extension); ok && idPattern.MatchString(id) {
			ids = append(ids, id)
		}
	}
	slices.Reverse(ids)
	return ids, nil
}

// Raw returns a message as it was received, without the envelope. The error is NotFound for an unknown id.
func (s *Store) Raw(id string) ([]byte, error) {
	_, raw, err := s.read(id)
	return raw, err
}

// read returns the recipients of a message's envelope and the message.
func (s *Store) read(id string) ([]string, []byte, error) {
	if !idPattern.MatchString(id) {
		return nil, nil, fault.New(fault.NotFound, "there is no mail %q", id)
	}
	f, err := os.Open(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.New(fault.NotFound, "there is no mail %s; it may have been removed as an old one", id)
	}
	if err != nil {
		return nil, nil, fault.As(fault.Unavailable, err, "the mail %s cannot be read", id)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxMessage+maxEnvelope))
	if err != nil {
		return nil, nil, fault.As(fault.Unavailable, err, "the mail %s cannot be read", id)
	}
	recipients, raw := splitEnvelope(raw)
	return recipients, raw, nil
}

func (s *Store) path(id string) string { return filepath.Join(s.dir, id+extension) }

// envelopeHeader carries the envelope's recipients in front of a message, as mail servers do on delivery.
const (
	envelopeHeader = "Delivered-To: "
	maxEnvelope    = 64 << 10
)

func envelope(recipients []string) string {
	var b strings.Builder
	for _, r := range recipients {
		b.WriteString(envelopeHeader + r + "\r\n")
	}
	return b.String()
}

func splitEnvelope(raw []byte) (recipients []string, rest []byte) {
	for {
		after, found := bytes.CutPrefix(raw, []byte(envelopeHeader))
		line, next, ended := bytes.Cut(after, []byte("\r\n"))
		if !found || !ended {
			return recipients, raw
		}
		recipients, raw = append(recipients, string(line)), next
	}
}
