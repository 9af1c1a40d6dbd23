package redisd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// written returns commands as a log has them.
func written(commands ...string) []byte {
	var b bytes.Buffer
	for _, c := range commands {
		if strings.HasPrefix(c, "#") {
			fmt.Fprintf(&b, "%s\r\n", c)
			continue
		}
		words := strings.Fields(c)
		fmt.Fprintf(&b, "*%d\r\n", len(words))
		for _, w := range words {
			w = strings.ReplaceAll(w, "~", "\r\n")
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
		}
	}
	return b.Bytes()
}

func TestMend(t *testing.T) {
	value := strings.Repeat("v", 100)
	whole := written("SELECT 0", "#TS:1795393677", "SET a "+value, "MULTI", "SET b 1", "EXEC",
		"SET c *1~$5~MULTI~")
	open := written("MULTI", "SET d "+value, "SET e 1", "EXEC")
	again := written("multi", "SET d 1", "SET e 1", "MULTI", "SET f 1", "exec")
	tests := []struct {
		name string
		log  []byte
		want int // bytes that stay
	}{
		{"whole", whole, len(whole)},
		{"empty", nil, 0},
		{"no log", []byte("REDIS0011 garbage"), 17},
		{"cut in a command alone", append(bytes.Clone(whole), "*3\r\n$3\r\nSE"...), len(whole) + 10},
		{"a server went on behind an open one", append(bytes.Clone(whole), again...), len(whole) + len(again)},
		{"garbage in an open one", append(append(bytes.Clone(whole), open[:30]...), "\x00\x00\x00\r\n"...), len(whole)},
		{"a size beyond all bounds", append(bytes.Clone(whole), "*1\r\n$99999999999\r\n"...), len(whole) + 18},
	}
	multi := len(written("MULTI"))
	for cut := multi; cut < len(open); cut++ {
		tests = append(tests, struct {
			name string
			log  []byte
			want int
		}{fmt.Sprintf("cut at %d", cut), append(bytes.Clone(whole), open[:cut]...), len(whole)})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "appendonlydir", "appendonly.aof.10.incr.aof")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			older := strings.Replace(path, ".10.", ".9.", 1)
			for p, data := range map[string][]byte{path: test.log, older: open[:multi]} {
				if err := os.WriteFile(p, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			taken, err := Mend(dir)
			if err != nil {
				t.Fatal(err)
			}
			left, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(left) != test.want || int(taken) != len(test.log)-test.want || !bytes.HasPrefix(test.log, left) {
				t.Errorf("%d of %d bytes stay, want %d; it says that it took %d", len(left), len(test.log), test.want, taken)
			}
			if info, err := os.Stat(older); err != nil || int(info.Size()) != multi {
				t.Errorf("the older log changed: %v, %v", info, err)
			}
		})
	}
	if taken, err := Mend(t.TempDir()); err != nil || taken != 0 {
		t.Errorf("without a log: %d, %v", taken, err)
	}
}

// TestCutTransaction cuts the log in a script's transaction, as a power failure does, and starts twice: nothing of
// the transaction comes back, and nothing of what was written after it is lost.
func TestCutTransaction(t *testing.T) {
	real(t)
	dir := t.TempDir()
	first := start(t, dir)
	c := client(t, first.URL)
	do(t, c, "OK", "SET", "before", "1")
	do(t, c, "OK", "EVAL", "redis.call('SET', 'half', 1) return redis.call('SET', 'other', 1)", "0")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	path, err := lastLog(filepath.Join(dir, "appendonlydir"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-5); err != nil { // within EXEC
		t.Fatal(err)
	}
	second := start(t, dir)
	do(t, client(t, second.URL), "OK", "SET", "after", "1")
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	c = client(t, start(t, dir).URL)
	do(t, c, "1", "GET", "before")
	do(t, c, "1", "GET", "after")
	if got, err := c.do("GET", "half"); err == nil {
		t.Errorf("half of a transaction came back: %q", got)
	}
}
