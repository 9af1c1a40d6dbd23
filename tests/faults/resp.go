package faults

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// frame is one value of the Redis protocol (RESP2): its bytes as they came, and what we need of it.
type frame struct {
	raw  []byte
	args []string // of an array of strings: a command
}

// readFrame reads a value. Commands are arrays of bulk strings; replies may be anything.
func readFrame(r *bufio.Reader) (frame, error) {
	var f frame
	err := f.read(r, 0)
	return f, err
}

// deepest bounds how deep arrays may lie in each other. The deepest of ours is the answer of claim: 2.
const deepest = 8

func (f *frame) read(r *bufio.Reader, depth int) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	f.raw = append(f.raw, line...)
	if depth > deepest || len(line) < 3 {
		return fmt.Errorf("not the Redis protocol: %.40q", line)
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(line[1:])))
	switch line[0] {
	case '+', '-', ':':
		f.args = append(f.args, string(bytes.TrimSpace(line)))
		return nil
	case '$':
		if err != nil || n < 0 {
			f.args = append(f.args, "")
			return err
		}
		body := make([]byte, n+2)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		f.raw = append(f.raw, body...)
		f.args = append(f.args, string(body[:n]))
		return nil
	case '*':
		if err != nil {
			return err
		}
		for range n {
			if err := f.read(r, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("not the Redis protocol: %.40q", line)
}

// result is the first byte of a script's result, or of the first element of its array: '1' new, '2' known. Stale
// says that it is -1: refused.
func (f frame) result() (first byte, stale bool) {
	if len(f.args) == 0 {
		return 0, false
	}
	text := strings.TrimPrefix(f.args[0], ":")
	if text == "" {
		return 0, false
	}
	return text[0], f.args[0] == ":-1"
}
