package provider

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hearthfaas/hearth/shared/fault"
)

// The spool is one file of records: length of the payload and CRC-32C of the rest (4 bytes each, little
// endian), then kind (1), id (8) and the payload.
const (
	recordHeader = 4 + 4 + 1 + 8
	maxRecord    = 64 << 20
	kindAdd      = 'A'
	kindDone     = 'D'
)

// compactAt is the size from which the file is rewritten when less than half of it is still needed.
const compactAt = 4 << 20

// maxBatch bounds how many records share a write and an fsync.
const maxBatch = 512

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maxSpool is how many bytes of calls may wait.
const maxSpool = 1 << 30

// minDisk is how many bytes adds leave free on the disk.
const minDisk = 128 << 20

// spool keeps async calls on disk until they are done. An add returns when its record is synced; adds that
// come together share the sync. A done record is not synced: losing it costs one more call.
type spool struct {
	path   string
	log    *slog.Logger
	ops    chan spoolOp
	closed chan struct{}

	closing sync.RWMutex
	shut    bool

	// The fields below belong to the writer's goroutine.
	file   *os.File
	size   int64
	live   map[uint64][]byte
	used   int64  // bytes of live
	most   int64  // bytes that live may have
	spare  uint64 // bytes that the disk must have left
	last   uint64 // id
	broken bool   // a write or sync failed
}

// spooled is a call that was accepted and not done.
type spooled struct {
	id      uint64
	payload []byte
}

// spoolOp is an add, a done, or both at once. With an ack it is synced.
type spoolOp struct {
	done    []uint64
	add     bool
	bounded bool // the add may be refused for want of room
	payload []byte
	ack     chan spoolAck

	id  uint64 // of what was added
	was []byte // the payload that was replaced
	err error
}

type spoolAck struct {
	id  uint64
	err error
}

// openSpool opens the spool at path, or makes one, and returns what is not done yet, oldest first. A torn
// end, which is what a crash leaves, is cut off.
func openSpool(path string, log *slog.Logger) (*spool, []spooled, error) {
	s := &spool{path: path, log: log, ops: make(chan spoolOp, maxBatch), closed: make(chan struct{}), live: map[uint64][]byte{}, most: maxSpool, spare: minDisk}
	if err := s.read(); err != nil {
		return nil, nil, fault.As(fault.Unavailable, err, "the async queue cannot be read").At(path)
	}
	if err := s.compact(); err != nil {
		return nil, nil, fault.As(fault.Unavailable, err, "the async queue cannot be written").At(path)
	}
	var waiting []spooled
	for _, id := range slices.Sorted(maps.Keys(s.live)) {
		waiting = append(waiting, spooled{id, s.live[id]})
	}
	go s.run()
	return s, waiting, nil
}

// read replays the file.
func (s *spool) read() error {
	raw, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for len(raw) > 0 {
		kind, id, payload, rest, ok := parseRecord(raw)
		if !ok {
			s.log.Warn("the async queue ends in a torn record, which is dropped", "bytes", len(raw))
			return nil
		}
		s.apply(kind, id, payload)
		raw = rest
	}
	return nil
}

func (s *spool) apply(kind byte, id uint64, payload []byte) {
	s.last = max(s.last, id)
	if kind == kindAdd {
		s.live[id] = payload
		s.used += int64(recordHeader + len(payload))
		return
	}
	if old, ok := s.live[id]; ok {
		s.used -= int64(recordHeader + len(old))
		delete(s.live, id)
	}
}

func appendRecord(b []byte, kind byte, id uint64, payload []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, 0, 0, 0, 0, kind)
	b = binary.LittleEndian.AppendUint64(b, id)
	b = append(b, payload...)
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(b[start+8:], castagnoli))
	return b
}

func parseRecord(b []byte) (kind byte, id uint64, payload, rest []byte, ok bool) {
	if len(b) < recordHeader {
		return 0, 0, nil, nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if n > maxRecord || len(b) < recordHeader+int(n) {
		return 0, 0, nil, nil, false
	}
	end := recordHeader + int(n)
	if crc32.Checksum(b[8:end], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, 0, nil, nil, false
	}
	return b[8], binary.LittleEndian.Uint64(b[9:]), b[recordHeader:end], b[end:], true
}

// add returns when payload is on disk. The error is Limited when too much waits there.
func (s *spool) add(payload []byte) (uint64, error) {
	if len(payload) > maxRecord {
		return 0, fault.New(fault.TooLarge, "a queued call is over %d bytes", maxRecord)
	}
	return s.sync(spoolOp{add: true, bounded: true, payload: payload})
}

// replace puts payload in the place of id, and returns its own id when that is on disk.
func (s *spool) replace(id uint64, payload []byte) (uint64, error) {
	if len(payload) > maxRecord {
		return 0, fault.New(fault.TooLarge, "a callback is over %d bytes", maxRecord)
	}
	return s.sync(spoolOp{add: true, payload: payload, done: []uint64{id}})
}

// forget returns when it is on disk that these are done.
func (s *spool) forget(ids []uint64) error {
	_, err := s.sync(spoolOp{done: ids})
	return err
}

func (s *spool) sync(op spoolOp) (uint64, error) {
	op.ack = make(chan spoolAck, 1)
	if !s.send(op) {
		return 0, fault.New(fault.Unavailable, "the async queue is closed")
	}
	got := <-op.ack
	return got.id, got.err
}

// done says that a call must not be made again.
func (s *spool) done(id uint64) { s.send(spoolOp{done: []uint64{id}}) }

// send reports whether the writer gets op. A call that outlives the provider finds the spool closed.
func (s *spool) send(op spoolOp) bool {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.shut {
		return false
	}
	s.ops <- op
	return true
}

// close writes what is left and closes the file.
func (s *spool) close() error {
	s.closing.Lock()
	s.shut = true
	close(s.ops)
	s.closing.Unlock()
	<-s.closed
	return s.file.Close()
}

func (s *spool) run() {
	defer close(s.closed)
	for op := range s.ops {
		s.commit(s.batch(op))
	}
}

// batch takes the operations that have come since the last commit.
func (s *spool) batch(first spoolOp) []spoolOp {
	batch := []spoolOp{first}
	for len(batch) < maxBatch {
		select {
		case op, ok := <-s.ops:
			if !ok {
				return batch
			}
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// commit writes a batch with one write and at most one sync, and acknowledges it.
func (s *spool) commit(batch []spoolOp) {
	var out []byte
	sync := false
	for n := range batch {
		out = s.record(out, &batch[n])
		sync = sync || batch[n].ack != nil
	}
	err := s.persist(out, sync)
	for _, op := range batch {
		if op.ack == nil {
			continue
		}
		if err != nil {
			s.revoke(op)
		}
		op.ack <- spoolAck{op.id, cmp.Or(op.err, err)}
	}
}

// record appends the records of op to out, and applies them. What takes the place of something comes before
// the end of that: a crash between them leaves both rather than neither.
func (s *spool) record(out []byte, op *spoolOp) []byte {
	if op.bounded {
		if op.err = s.room(len(op.payload)); op.err != nil {
			return out
		}
	}
	if op.add {
		op.id = s.last + 1
		out = appendRecord(out, kindAdd, op.id, op.payload)
		s.apply(kindAdd, op.id, op.payload)
	}
	for _, id := range op.done {
		op.was = s.live[id]
		out = appendRecord(out, kindDone, id, nil)
		s.apply(kindDone, id, nil)
	}
	return out
}

// revoke takes back what record applied, for a write that failed: what was refused must not come back, and what
// it should have replaced must stay.
func (s *spool) revoke(op spoolOp) {
	if !op.add || op.id == 0 {
		return
	}
	s.apply(kindDone, op.id, nil)
	if op.was != nil {
		s.apply(kindAdd, op.done[0], op.was)
	}
}

// room refuses an add that would make the file too large, or take the disk's last bytes: what else is on it,
// such as the store's log, needs them more.
func (s *spool) room(n int) error {
	if s.used+int64(n) > s.most {
		return fault.New(fault.Limited, "async calls of %d bytes wait already", s.used).In(time.Second)
	}
	var disk unix.Statfs_t
	if unix.Statfs(filepath.Dir(s.path), &disk) != nil {
		return nil // the write will say what is wrong
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < s.spare {
		return fault.New(fault.Unavailable, "the disk of the async queue has %d bytes left", free).Try("make room on the disk of HEARTH_DATA")
	}
	return nil
}

// persist writes records. After a write or sync that failed, nobody knows what is in the file: it is
// written anew as soon as that works.
func (s *spool) persist(out []byte, sync bool) error {
	if s.broken {
		if err := s.compact(); err != nil {
			return s.unwritable(err)
		}
		s.broken = false
		return nil // what is live now includes these records
	}
	if err := s.write(out, sync); err != nil {
		s.broken = true
		return s.unwritable(err)
	}
	return nil
}

func (s *spool) unwritable(err error) error {
	s.log.Error("the async queue cannot be written", "path", s.path, "err", err)
	return fault.As(fault.Unavailable, err, "the async queue cannot be written").Try("make room on the disk of HEARTH_DATA")
}

func (s *spool) write(out []byte, sync bool) error {
	if _, err := s.file.Write(out); err != nil {
		return err
	}
	if s.size += int64(len(out)); sync {
		if err := s.file.Sync(); err != nil {
			return err
		}
	}
	if s.size >= compactAt && s.used < s.size/2 {
		return s.compact()
	}
	return nil
}

// compact replaces the file by one with only what is not done.
func (s *spool) compact() error {
	var out []byte
	for _, id := range slices.Sorted(maps.Keys(s.live)) {
		out = appendRecord(out, kindAdd, id, s.live[id])
	}
	next, err := os.OpenFile(s.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := s.install(next, out); err != nil {
		return errors.Join(err, next.Close())
	}
	if s.file != nil {
		_ = s.file.Close() // replaced: nothing in it matters
	}
	s.file, s.size = next, int64(len(out))
	return nil
}

// install makes next, with these records, the spool's file, durably.
func (s *spool) install(next *os.File, records []byte) error {
	if _, err := next.Write(records); err != nil {
		return err
	}
	if err := next.Sync(); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), s.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.path))
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
