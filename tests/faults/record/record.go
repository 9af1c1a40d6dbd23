// Package record is what the fault suite writes down and judges by: the raw calls that reached the world, and
// what was posted and acknowledged. Each is a line of JSON that is on the disk before anybody hears an answer.
package record

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// The files of a run of the suite.
const (
	SentFile   = "sent.jsonl"
	EffectFile = "effects.jsonl"
	PostedFile = "posted.jsonl"
	StopFile   = "stops.jsonl"
	OutageFile = "outages.jsonl"
)

// Sent is a call of the chat platform that puts a text before somebody's eyes.
type Sent struct {
	At      time.Time `json:"at"`
	Method  string    `json:"method"` // sendMessage or editMessageText
	Chat    int64     `json:"chat"`
	Message int64     `json:"message"` // its id on the platform
	Text    string    `json:"text"`
	Shown   bool      `json:"shown"`  // the platform carried it out
	Answer  string    `json:"answer"` // what the caller heard: a status, or "cut"
}

// Effect is a call of the effect backend.
type Effect struct {
	At      time.Time `json:"at"`
	Key     string    `json:"key"`
	Op      string    `json:"op"` // do or undo
	Kind    string    `json:"kind"`
	Applied bool      `json:"applied"`
	Answer  string    `json:"answer"`
}

// What a posted message asks for.
const (
	Say  = "say"  // an answer that repeats the mark
	Run  = "run"  // a card, a run, and its result
	Gone = "gone" // nothing: the person has left
)

// Posted is a message that the bundle has acknowledged.
type Posted struct {
	Chat   int64     `json:"chat"`
	Mark   string    `json:"mark"` // a word of its text that no other message has
	Kind   string    `json:"kind"`
	Expect string    `json:"expect,omitempty"` // the first words of a run's result, where no other will do
	Undo   bool      `json:"undo,omitempty"`   // the run was asked to be taken back after its end
	Run    string    `json:"run,omitempty"`    // that it starts, where that is known
	Acked  time.Time `json:"acked"`

	Needs map[string][]string `json:"needs,omitempty"` // by step of its run: the steps whose effects come before its own
}

// Stop is a stop that the bundle has acknowledged.
type Stop struct {
	Chat  int64     `json:"chat"`
	Run   string    `json:"run,omitempty"` // "" for all that was said in the chat before it
	Asked time.Time `json:"asked"`
	Acked time.Time `json:"acked"`
}

// Outage is a time in which the store took no writes.
type Outage struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Log appends lines to a file. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	file *os.File
}

// Open opens a log, which is made when it is not there.
func Open(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &Log{file: f}, nil
}

// Append writes a line. It is on the disk when Append returns.
func (l *Log) Append(line any) error {
	raw, err := json.Marshal(line)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.Write(append(raw, '\n')); err != nil {
		return err
	}
	return l.file.Sync()
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }

// Read returns all lines of a log; none of one that is not there. A last line without its end is no line yet.
func Read[T any](path string) ([]T, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []T
	lines := bufio.NewReader(f)
	for {
		raw, err := lines.ReadBytes('\n')
		if err != nil {
			return all, nil
		}
		var line T
		if err := json.Unmarshal(raw, &line); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(all)+1, err)
		}
		all = append(all, line)
	}
}
