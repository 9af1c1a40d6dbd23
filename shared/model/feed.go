package model

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxLine bounds one event of a stream, in bytes.
const maxLine = 1 << 20

// lastEvent is what ends a stream.
var lastEvent = []byte("data: [DONE]\n")

// feed is the body of a streamed answer as go-openai can read it: only data lines, so that pings between
// them cannot garble an error; and errors in a form that it hands on instead of half-reading it.
type feed struct {
	body  io.Closer
	lines *bufio.Reader
	alive func()
	ready []byte
	left  int
	ended bool // the last event has come
}

// newFeed returns the feed of a response. A server that ignores "stream" and answers with one JSON
// document is read as a stream of one event.
func newFeed(resp *http.Response, alive func()) *feed {
	f := &feed{body: resp.Body, lines: bufio.NewReader(resp.Body), alive: alive, left: maxStream}
	if mediaType(resp) == "application/json" {
		f.lines = bufio.NewReader(&document{from: resp.Body})
	}
	return f
}

// Close reads a stream that came to its end to the last byte: only then is its connection used again.
func (f *feed) Close() error {
	if f.ended {
		_, _ = io.CopyN(io.Discard, f.lines, maxLine)
	}
	return f.body.Close()
}

func (f *feed) Read(p []byte) (int, error) {
	for len(f.ready) == 0 {
		line, err := f.line()
		f.alive()
		f.ready = event(bytes.TrimSpace(line))
		f.ended = f.ended || bytes.Equal(f.ready, lastEvent)
		if err != nil && (len(f.ready) == 0 || !errors.Is(err, io.EOF)) {
			return 0, err
		}
	}
	n := copy(p, f.ready)
	f.ready = f.ready[n:]
	return n, nil
}

// line reads a line of bounded length, from a stream of bounded length.
func (f *feed) line() ([]byte, error) {
	var line []byte
	for {
		part, err := f.lines.ReadSlice('\n')
		f.left -= len(part)
		if f.left < 0 || len(line)+len(part) > maxLine {
			return nil, fault.New(fault.TooLarge, "the model's answer does not end")
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// event returns the line that go-openai gets to see of a line, or nothing.
func event(line []byte) []byte {
	if text, ok := bytes.CutPrefix(line, []byte("error:")); ok { // llama-server before 2025
		line = bytes.Join([][]byte{[]byte(`data:{"error":`), bytes.TrimSpace(text), []byte("}")}, nil)
	}
	payload, ok := bytes.CutPrefix(line, []byte("data:"))
	payload = bytes.TrimSpace(payload)
	if !ok || len(payload) == 0 {
		return nil
	}
	if payload[0] == '{' { // the space hides {"error": from go-openai, which would lose it
		payload = append([]byte("{ "), payload[1:]...)
	}
	return append(append([]byte("data: "), payload...), '\n')
}

// document reads a whole JSON document as one data line.
type document struct {
	from io.Reader
	line *bytes.Reader
}

func (d *document) Read(p []byte) (int, error) {
	if d.line == nil {
		raw, err := io.ReadAll(io.LimitReader(d.from, maxLine-8))
		if err != nil {
			return 0, err
		}
		var flat bytes.Buffer
		flat.WriteString("data:")
		if err := json.Compact(&flat, raw); err != nil {
			flat.WriteString("not JSON")
		}
		d.line = bytes.NewReader(append(flat.Bytes(), '\n'))
	}
	return d.line.Read(p)
}
