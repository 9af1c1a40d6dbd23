package workspace

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of the texts whose difference is shown. Of others, the versions and hashes have to do.
const (
	maxCompared = 64 << 10 // bytes of each
	maxLines    = 400      // of each, without what is the same at both ends
	around      = 2        // lines that are the same, before and behind a change
)

// difference says what is there instead of what was made: who made each and when, its size and hash, and for
// texts the lines.
func (s *Store) difference(ctx context.Context, file string, made version, h *history) fault.Change {
	c := fault.Change{What: file, Then: made.state()}
	v, live := h.current()
	switch {
	case v.To != "":
		c.Now = "→ " + v.To + " · " + v.author() + " · " + v.when()
	case live:
		c.Now = v.state()
		c.Diff = s.lines(ctx, file, made, v)
	}
	return c
}

// lines is the difference of two versions as text, nil where it cannot be shown.
func (s *Store) lines(ctx context.Context, file string, then, now version) []string {
	ext := strings.ToLower(path.Ext(file))
	if fault.Secretive(file) || slices.Contains([]string{".env", ".pem", ".key", ".p12"}, ext) {
		return nil
	}
	old, ok := s.text(ctx, then)
	if !ok {
		return nil
	}
	current, ok := s.text(ctx, now)
	if !ok {
		return nil
	}
	lines := unified(old, current)
	for i, line := range lines {
		if fault.Secretive(line) {
			lines[i] = line[:1] + fault.Hidden
		}
	}
	return lines
}

// text returns the lines of a version, if it is text, small, and still kept.
func (s *Store) text(ctx context.Context, v version) ([]string, bool) {
	if v.Blob == "" || v.Size > maxCompared {
		return nil, false
	}
	r, err := s.blobs.Get(ctx, v.Blob)
	if err != nil {
		return nil, false
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, maxCompared+1))
	if err != nil || !utf8.Valid(raw) || slices.Contains(raw, 0) {
		return nil, false
	}
	if len(raw) == 0 {
		return nil, true
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n"), true
}

// unified returns the difference of two texts in hunks, as diff -U2 writes them.
func unified(then, now []string) []string {
	head := 0
	for head < len(then) && head < len(now) && then[head] == now[head] {
		head++
	}
	tail := 0
	for tail < len(then)-head && tail < len(now)-head && then[len(then)-1-tail] == now[len(now)-1-tail] {
		tail++
	}
	middle := edits(then[head:len(then)-tail], now[head:len(now)-tail])
	var script []string // one line each: its sign and its text
	for _, line := range then[max(0, head-around):head] {
		script = append(script, " "+line)
	}
	script = append(script, middle...)
	for _, line := range then[len(then)-tail : min(len(then), len(then)-tail+around)] {
		script = append(script, " "+line)
	}
	return hunks(script, max(0, head-around))
}

// edits returns a shortest script that makes one text the other, by a longest common subsequence. Between
// texts of too many lines there is none.
func edits(then, now []string) []string {
	if len(then) > maxLines || len(now) > maxLines {
		return nil
	}
	common := make([][]int, len(then)+1)
	for i := range common {
		common[i] = make([]int, len(now)+1)
	}
	for i := len(then) - 1; i >= 0; i-- {
		for n := len(now) - 1; n >= 0; n-- {
			if common[i][n] = max(common[i+1][n], common[i][n+1]); then[i] == now[n] {
				common[i][n] = common[i+1][n+1] + 1
			}
		}
	}
	var script []string
	i, n := 0, 0
	for i < len(then) || n < len(now) {
		switch {
		case i < len(then) && n < len(now) && then[i] == now[n]:
			script = append(script, " "+then[i])
			i, n = i+1, n+1
		case n == len(now) || i < len(then) && common[i+1][n] >= common[i][n+1]:
			script = append(script, "-"+then[i])
			i++
		default:
			script = append(script, "+"+now[n])
			n++
		}
	}
	return script
}

// hunks cuts a script whose first line follows on skipped lines into what changed and a little around it.
func hunks(script []string, skipped int) []string {
	var out []string
	old, current := skipped+1, skipped+1 // the numbers of the next lines
	for i := 0; i < len(script); {
		if !near(script, i) {
			old, current, i = old+1, current+1, i+1
			continue
		}
		end, removed, added := i, 0, 0
		for ; end < len(script) && near(script, end); end++ {
			removed += strings.Count("- ", script[end][:1])
			added += strings.Count("+ ", script[end][:1])
		}
		out = append(out, fmt.Sprintf("@@ -%d,%d +%d,%d @@", old, removed, current, added))
		out = append(out, script[i:end]...)
		old, current, i = old+removed, current+added, end
	}
	return out
}

// near reports whether line i of a script is a change, or stands close to one.
func near(script []string, i int) bool {
	return slices.ContainsFunc(script[max(0, i-around):min(len(script), i+around+1)], func(line string) bool { return line[0] != ' ' })
}

// state is a version without words, for people of any language.
func (v version) state() string {
	return fmt.Sprintf("v%d · %d B · sha256 %.12s · %s · %s", v.N, v.Size, v.Hash, v.author(), v.when())
}

func (v version) when() string { return v.At.UTC().Format("2006-01-02 15:04:05Z") }
