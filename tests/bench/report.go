package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report writes scenarios as they end, as tables or as one JSON document.
type report interface {
	add(s scenario, rows []row) error
	end() error
}

func newReport(w io.Writer, format string) (report, error) {
	switch format {
	case "table":
		_, err := fmt.Fprintf(w, "%s; values are medians of the rounds (least–most)\n", machine())
		return &tables{w}, err
	case "json":
		return &document{w: w, Machine: machine()}, nil
	default:
		return nil, fmt.Errorf("no output %q; there are table and json", format)
	}
}

// machine says where this was measured, and how busy it was before.
func machine() string {
	text := fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ := strings.Cut(string(raw), " ")
		text += ", load before " + load
	}
	return text
}

// tables is a report for people.
type tables struct{ w io.Writer }

func (t *tables) add(s scenario, rows []row) error {
	fmt.Fprintf(t.w, "\n%s: %s\n", s.name, s.about)
	tw := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(s.heading(), "\t"))
	for _, r := range rows {
		fmt.Fprintln(tw, strings.Join(s.cells(r, rows[0]), "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		for _, note := range r.notes {
			if _, err := fmt.Fprintf(t.w, "  %s: %s\n", r.variant, note); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tables) end() error { return nil }

func (s scenario) heading() []string {
	cells := []string{"variant"}
	for _, c := range s.columns {
		cells = append(cells, c.name)
		if c.name == s.ratio {
			cells = append(cells, "of "+s.variants[0].name)
		}
	}
	return append(cells, "sent", "refused", "broken", "lost", "doubled", "out of order")
}

// cells are a row of a table, first being the variant that ratios are taken of.
func (s scenario) cells(r, first row) []string {
	cells := []string{r.variant}
	for _, c := range s.columns {
		cells = append(cells, spreadOf(r.values[c.name], c.digits))
		if c.name == s.ratio {
			cells = append(cells, percent(median(r.values[c.name])/median(first.values[c.name])))
		}
	}
	t := r.tally
	cells = append(cells, strconv.Itoa(t.Sent), refusals(t.Refused))
	for _, n := range []int{t.Broken, t.Lost, t.Doubled, t.Disordered} {
		cells = append(cells, strconv.Itoa(n))
	}
	return cells
}

// spreadOf writes values as their median, with the least and the most where there are several.
func spreadOf(values []float64, digits int) string {
	one := func(v float64) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	switch {
	case len(values) == 0 || math.IsNaN(median(values)):
		return "–"
	case len(values) == 1:
		return one(values[0])
	default:
		return fmt.Sprintf("%s (%s–%s)", one(median(values)), one(slices.Min(values)), one(slices.Max(values)))
	}
}

func percent(share float64) string {
	if math.IsNaN(share) {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

// refusals writes refusals by status, as in "429×12".
func refusals(byStatus map[int]int) string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		parts = append(parts, fmt.Sprintf("%d×%d", status, byStatus[status]))
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, " ")
}

// document is a report for programs.
type document struct {
	w         io.Writer
	Machine   string             `json:"machine"`
	Scenarios []documentScenario `json:"scenarios"`
}

type documentScenario struct {
	Name     string        `json:"name"`
	About    string        `json:"about"`
	Variants []documentRow `json:"variants"`
}

type documentRow struct {
	Variant string                   `json:"variant"`
	Values  map[string]documentValue `json:"values"`
	Tally   tally                    `json:"tally"`
	Notes   []string                 `json:"notes,omitempty"`
}

type documentValue struct {
	Median number   `json:"median"`
	Rounds []number `json:"rounds"`
}

// number is null in JSON where there is none.
type number float64

// MarshalJSON writes the number or null.
func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

func (d *document) add(s scenario, rows []row) error {
	out := documentScenario{Name: s.name, About: s.about}
	for _, r := range rows {
		values := map[string]documentValue{}
		for name, rounds := range r.values {
			v := documentValue{Median: number(median(rounds))}
			for _, value := range rounds {
				v.Rounds = append(v.Rounds, number(value))
			}
			values[name] = v
		}
		out.Variants = append(out.Variants, documentRow{r.variant, values, r.tally, r.notes})
	}
	d.Scenarios = append(d.Scenarios, out)
	return nil
}

func (d *document) end() error {
	e := json.NewEncoder(d.w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
