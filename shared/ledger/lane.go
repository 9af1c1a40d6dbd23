package ledger

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/vault"
)

// Lane is what is worked on by one holder at a time: a session (s3f-…) or a run (r3f-…). Its name carries
// its partition in two hex digits, so that a run can live beside its session.
type Lane string

// Session returns the lane of a conversation. The parts (platform, account, chat …) cannot be read from it.
func (l *Ledger) Session(parts ...string) Lane {
	id := l.vault.Blind(append([]string{"session"}, parts...)...)
	return Lane(fmt.Sprintf("s%02x-%s", crc32.ChecksumIEEE([]byte(id))%partitions, id))
}

// NewRun names a new run in the partition of beside, so that its end can reach that session in one script.
func (l *Ledger) NewRun(beside Lane) Lane {
	var b [7]byte
	rand.Read(b[:])
	return runLane(beside.partition(), b[:])
}

// RunFor names the run of a key, always the same: whoever repeats the request gets the same run.
func (l *Ledger) RunFor(beside Lane, key string) Lane {
	return Lane("r" + beside.partition() + "-" + l.vault.Blind("run", string(beside), key)[:10])
}

// TasksLane stands for the partition that scheduled tasks and their runs live in.
func (l *Ledger) TasksLane() Lane {
	return Lane("t" + spacePartition("tasks") + "-")
}

func runLane(partition string, random []byte) Lane {
	id := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random))
	return Lane("r" + partition + "-" + id[:10])
}

// ParseLane checks a lane's name from outside.
func ParseLane(text string) (Lane, error) {
	lane := Lane(text)
	if len(text) < 5 || len(text) > 64 || (text[0] != 's' && text[0] != 'r') || text[3] != '-' {
		return "", fault.New(fault.NotFound, "no such run or session: %.64q", text)
	}
	if _, err := strconv.ParseUint(text[1:3], 16, 8); err != nil || strings.Trim(text[4:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", fault.New(fault.NotFound, "no such run or session: %.64q", text)
	}
	return lane, nil
}

// IsRun reports whether the lane is a run.
func (l Lane) IsRun() bool { return strings.HasPrefix(string(l), "r") }

func (l Lane) partition() string { return string(l[1:3]) }

// tag is the prefix of all keys of a partition: one cluster slot.
func tag(partition string) string { return "h:{p" + partition + "}:" }

func (l Lane) key(name string) string {
	return tag(l.partition()) + name + ":" + string(l)
}

func (l Lane) shared(name string) string { return tag(l.partition()) + name }

func (l *Ledger) box(lane Lane) *vault.Box { return l.vault.Box("lane/" + string(lane)) }

// spacePartition is the partition of a space of documents.
func spacePartition(space string) string {
	return fmt.Sprintf("%02x", crc32.ChecksumIEEE([]byte(space))%partitions)
}
