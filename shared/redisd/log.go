package redisd

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a command in a log: Redis' own for what a client may send.
const (
	mostParts   = 1 << 20
	mostBytes   = 512 << 20
	longestName = 32 // longer is neither MULTI nor EXEC
)

// Mend takes an unfinished transaction off the end of the append-only log in a server's folder, before the server
// starts. It returns the number of bytes that it took, and leaves all else to the server.
//
// A power failure may cut the log within MULTI … EXEC, which is how each script is written. Redis (7.0 and others)
// takes away only the command that was cut, and writes on behind the open MULTI. At the start after that, what
// was half there is carried out with what follows, though nobody was told of it; and if no EXEC follows, what does is
// gone. Valkey mends this at loading (github.com/valkey-io/valkey/pull/4342).
func Mend(dir string) (int64, error) {
	path, err := lastLog(filepath.Join(dir, "appendonlydir"))
	if err != nil || path == "" {
		return 0, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	open, err := openTransaction(f)
	if err != nil || open < 0 {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size() - open, errors.Join(f.Truncate(open), f.Sync())
}

// lastLog returns the path of the log that a server writes on, or "". Names end in .SEQ.incr.aof.
func lastLog(dir string) (string, error) {
	logs, err := filepath.Glob(filepath.Join(dir, "*.incr.aof"))
	if err != nil || len(logs) == 0 {
		return "", err
	}
	return slices.MaxFunc(logs, func(a, b string) int { return sequence(a) - sequence(b) }), nil
}

func sequence(path string) int {
	part := strings.Split(filepath.Base(path), ".")
	n, err := strconv.Atoi(part[max(0, len(part)-3)])
	if err != nil {
		return -1
	}
	return n
}

// openTransaction returns where the transaction begins that a log ends in, or -1. What is no log at all is for the
// server to refuse. A MULTI within a transaction means that a server went on behind an open one: both end with the
// next EXEC, as at loading.
func openTransaction(r io.Reader) (int64, error) {
	log, open := logReader{r: bufio.NewReaderSize(r, 1<<20)}, int64(-1)
	for {
		at := log.at
		name, err := log.command()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errNoLog):
			return open, nil
		case err != nil:
			return -1, err
		case open < 0 && strings.EqualFold(name, "multi"):
			open = at
		case strings.EqualFold(name, "exec"):
			open = -1
		}
	}
}

var errNoLog = errors.New("this is not a log of commands")

// logReader reads commands in the protocol's form, and lines of annotation, which begin with #.
type logReader struct {
	r  *bufio.Reader
	at int64 // bytes read
}

// command reads a command and returns its name, if that is short.
func (l *logReader) command() (name string, err error) {
	line, err := l.line()
	if err != nil || line[0] == '#' {
		return "", err
	}
	parts, err := number(line, '*', mostParts)
	for i := int64(0); i < parts && err == nil; i++ {
		var text string
		if text, err = l.part(); i == 0 {
			name = text
		}
	}
	return name, err
}

// part reads a part of a command and returns it if it is short.
func (l *logReader) part() (string, error) {
	line, err := l.line()
	if err != nil {
		return "", err
	}
	n, err := number(line, '$', mostBytes)
	if err != nil {
		return "", err
	}
	l.at += n + 2 // the end of its line too
	if n > longestName {
		_, err := l.r.Discard(int(n + 2))
		return "", err
	}
	text := make([]byte, n+2)
	_, err = io.ReadFull(l.r, text)
	return string(text[:n]), err
}

func (l *logReader) line() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errNoLog
	}
	l.at += int64(len(line))
	return line, err
}

// number reads a line such as *3 or $11.
func number(line []byte, mark byte, most int64) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimRight(string(line[1:]), "\r\n"), 10, 64)
	if line[0] != mark || err != nil || n < 0 || n > most {
		return 0, errNoLog
	}
	return n, nil
}
