package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"golang.org/x/text/width"

	"github.com/hearthfaas/hearth/shared/fault"
)

// maxCell is the width of a table's cell in columns. All of a text is in -o json.
const maxCell = 60

// printer writes data to out and progress to err.
type printer struct {
	out, err io.Writer
	json     bool // programs read out
	shown    bool // out is a terminal
	live     bool // err is a terminal: its last line may be replaced
	color    bool
	zh       bool
	zone     *time.Location // that times are shown in
	status   bool           // the last line of err is to be replaced
}

// addOutput gives a command and those below it the flag -o.
func addOutput(cmd *cobra.Command) {
	cmd.PersistentFlags().StringP("output", "o", "table", "`form` of the output: table or json")
}

// printer returns the printer of a command with the flag -o.
func (a *app) printer(cmd *cobra.Command) (*printer, error) {
	form := cmd.Flag("output").Value.String()
	if form != "table" && form != "json" {
		return nil, fault.New(fault.Invalid, "not a form of output: %q", form).At("--output").Try("-o table or -o json")
	}
	p := &printer{out: a.out, err: a.err, json: form == "json", shown: isTerminal(a.out), live: isTerminal(a.err), zh: a.chinese(), zone: time.Local}
	p.color = p.shown && a.setting("NO_COLOR", "") == "" && a.setting("TERM", "") != "dumb"
	return p, nil
}

// chinese reports whether the person at this machine reads Chinese (POSIX: LC_ALL, LC_MESSAGES, LANG).
func (a *app) chinese() bool {
	locale := a.setting("LC_ALL", a.setting("LC_MESSAGES", a.setting("LANG", "")))
	return strings.HasPrefix(locale, "zh")
}

// isTerminal reports whether a person sits at the other end.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks a question whose answer is no unless somebody says yes.
func (a *app) confirm(question string) (bool, error) {
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	line, err := bufio.NewReader(io.LimitReader(a.in, 1<<10)).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, fault.As(fault.Internal, err, "cannot read the answer")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes", "是":
		return true, nil
	default:
		return false, nil
	}
}

// show writes an answer of the API: as it came for programs, else as human writes it.
func (p *printer) show(raw json.RawMessage, human func()) error {
	if !p.json {
		human()
		return nil
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		return fault.As(fault.Internal, err, "the answer is not JSON")
	}
	fmt.Fprintf(p.out, "%s\n", bytes.TrimSpace(pretty.Bytes()))
	return nil
}

// print writes a line of data.
func (p *printer) print(format string, args ...any) {
	fmt.Fprintln(p.out, clean(fmt.Sprintf(format, args...)))
}

// note writes a line of progress.
func (p *printer) note(format string, args ...any) {
	p.wipe()
	fmt.Fprintln(p.err, clean(fmt.Sprintf(format, args...)))
}

// now shows what is under way, until the next line of progress. Only a terminal sees it.
func (p *printer) now(text string) {
	if !p.live {
		return
	}
	p.wipe()
	fmt.Fprint(p.err, fit(text, 2*maxCell))
	p.status = true
}

func (p *printer) wipe() {
	if p.status {
		fmt.Fprint(p.err, "\r\x1b[K")
		p.status = false
	}
}

// table writes rows under a head, in columns as wide as their widest cell. The last column may be wider
// than the others.
func (p *printer) table(head []string, rows [][]string) {
	lines := append([][]string{head}, rows...)
	widths := make([]int, len(head))
	for _, row := range lines {
		for i, cell := range row {
			row[i] = fit(cell, maxCell)
			if i == len(row)-1 {
				row[i] = fit(cell, 3*maxCell)
			}
			widths[i] = max(widths[i], columns(row[i]))
		}
	}
	for n, row := range lines {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-columns(cell)+2))
		}
		text := strings.TrimRight(line.String(), " ")
		if n == 0 && p.color {
			text = "\x1b[1m" + text + "\x1b[0m"
		}
		fmt.Fprintln(p.out, text)
	}
}

// fit returns text as one clean line of at most wide columns.
func fit(text string, wide int) string {
	text = strings.Join(strings.Fields(clean(text)), " ")
	if columns(text) <= wide {
		return text
	}
	n := 0
	for i, r := range text {
		if n += columns(string(r)); n > wide-1 {
			return text[:i] + "…"
		}
	}
	return text
}

// columns counts the columns that a terminal needs for text: two for a wide character (UAX #11).
func columns(text string) int {
	n := 0
	for _, r := range text {
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			n += 2
		default:
			if !unicode.Is(unicode.Mn, r) {
				n++
			}
		}
	}
	return n
}

// clean returns text without the characters that a terminal obeys or that turn the order of a line: what
// we show was written by models, mails and files.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r) {
			return r
		}
		return -1
	}, text)
}

// clock writes a time in the printer's zone, "" for none.
func (p *printer) clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(p.zone).Format(time.DateTime)
}

// span writes a duration in at most two units.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
}
