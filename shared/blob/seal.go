package blob

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/vault"
)

// A sealed object is a header (format version, random id) and chunks of plain text, each sealed on its own
// so that neither side holds the whole object. Each chunk is bound to the key (the box), to the object's
// id, to its position and to whether it is the last one: no chunk can be moved, left out or taken from an
// earlier object under the same key. Every object has a last chunk, which may be empty.
const (
	formatVersion = 1
	idSize        = 16
	headerSize    = 1 + idSize
	chunkSize     = 64 << 10
	chunkExtra    = 33 // what vault.Box adds
)

func field(id []byte, index int, last bool) string {
	return fmt.Sprintf("%s/%d/%t", hex.EncodeToString(id), index, last)
}

// sealer reads content and gives it sealed.
type sealer struct {
	box   *vault.Box
	src   *bufio.Reader
	want  int64 // -1: unknown
	read  int64
	id    []byte
	index int
	ready bytes.Buffer
	err   error // io.EOF after the last chunk
}

func newSealer(box *vault.Box, r io.Reader, size int64) *sealer {
	s := &sealer{box: box, want: size, id: make([]byte, idSize)}
	bound := int64(MaxSize)
	if size >= 0 {
		bound = size
	}
	s.src = bufio.NewReaderSize(io.LimitReader(r, bound+1), chunkSize)
	rand.Read(s.id)
	s.ready.WriteByte(formatVersion)
	s.ready.Write(s.id)
	return s
}

// Read gives the sealed object.
func (s *sealer) Read(p []byte) (int, error) {
	for s.ready.Len() == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.err = s.next()
	}
	return s.ready.Read(p)
}

// next seals one chunk. It returns io.EOF with the last one.
func (s *sealer) next() error {
	chunk := make([]byte, chunkSize)
	n, last, err := fill(s.src, chunk)
	if err != nil {
		return cut(err)
	}
	if s.read += int64(n); s.read > MaxSize {
		return fault.New(fault.TooLarge, "the content is over the limit of %d bytes", MaxSize)
	}
	if s.want >= 0 && (s.read > s.want || (last && s.read != s.want)) {
		return fault.New(fault.Invalid, "the content has not the %d bytes it was said to have", s.want)
	}
	s.ready.Write(s.box.Seal(field(s.id, s.index, last), chunk[:n]))
	s.index++
	if last {
		return io.EOF
	}
	return nil
}

// fill reads until chunk is full or src ends, and reports whether src has ended. io.ReadFull would not
// tell the end from a reader that was cut short.
func fill(src *bufio.Reader, chunk []byte) (n int, last bool, err error) {
	for n < len(chunk) && err == nil {
		var m int
		m, err = src.Read(chunk[n:])
		n += m
	}
	if err == nil {
		_, err = src.Peek(1)
	}
	if errors.Is(err, io.EOF) {
		return n, true, nil
	}
	return n, false, err
}

// cut gives the error of a reader without a kind one.
func cut(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.As(fault.Invalid, err, "the content was cut short")
}

// blame returns the error of the content's reader, if that is why storing it failed.
func (s *sealer) blame(err error) error {
	if err != nil && s.err != nil && !errors.Is(s.err, io.EOF) {
		return s.err
	}
	return err
}

// opener reads a sealed object and gives its content.
type opener struct {
	box    *vault.Box
	sealed io.ReadCloser
	src    *bufio.Reader
	id     []byte
	index  int
	plain  []byte
	err    error
}

func newOpener(box *vault.Box, sealed io.ReadCloser) *opener {
	return &opener{box: box, sealed: sealed, src: bufio.NewReaderSize(sealed, chunkSize+chunkExtra)}
}

// Read gives the content up to the first chunk that is not authentic.
func (o *opener) Read(p []byte) (int, error) {
	for len(o.plain) == 0 {
		if o.err != nil {
			return 0, o.err
		}
		o.err = o.next()
	}
	n := copy(p, o.plain)
	o.plain = o.plain[n:]
	return n, nil
}

// next opens one chunk. It returns io.EOF with the last one.
func (o *opener) next() error {
	if o.id == nil {
		if err := o.header(); err != nil {
			return err
		}
	}
	chunk := make([]byte, chunkSize+chunkExtra)
	n, last, err := fill(o.src, chunk)
	if err != nil {
		return broken(err)
	}
	if o.plain, err = o.box.Open(field(o.id, o.index, last), chunk[:n]); err != nil {
		return err
	}
	o.index++
	if last {
		return io.EOF
	}
	return nil
}

func (o *opener) header() error {
	head := make([]byte, headerSize)
	_, err := io.ReadFull(o.src, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || (err == nil && head[0] != formatVersion) {
		return fault.As(fault.Internal, err, "a stored object is damaged")
	}
	if err != nil {
		return broken(err)
	}
	o.id = head[1:]
	return nil
}

func broken(err error) error { return fault.As(fault.Unavailable, err, "the store broke off") }

// Close ends the reading.
func (o *opener) Close() error { return o.sealed.Close() }
