package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// reported is a scenario and its rows, with everything that a table has to show.
func reported() (scenario, []row) {
	s := scenario{
		name: "walk", about: "one foot, then the other", variants: []variant{{name: "floor"}, {name: "us"}},
		ratio: "msg/s", columns: []column{{"msg/s", 0}, {"p50 ms", 1}},
	}
	rows := make([]row, 2)
	for i := range rows {
		rows[i].variant = s.variants[i].name
		for round := range 3 {
			rows[i].add(sample{
				values: map[string]float64{"msg/s": float64(1000/(i+1) + round), "p50 ms": 1.25},
				tally:  tally{Sent: 10, Accepted: 9, Refused: map[int]int{503: i, 429: 2 * i}, Lost: i, Doubled: 2 * i, Disordered: 3 * i},
				notes:  []string{"it rained", ""},
			})
		}
	}
	rows[1].values["p50 ms"] = []float64{math.NaN()}
	return s, rows
}

func TestTables(t *testing.T) {
	var out bytes.Buffer
	r, err := newReport(&out, "table")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.add(reported()); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(out.String(), "\n\n")
	want := `walk: one foot, then the other
variant  msg/s             of floor  p50 ms         sent  refused      broken  lost  doubled  out of order
floor    1001 (1000–1002)  100 %     1.2 (1.2–1.2)  30    429×0 503×0  0       0     0        0
us       501 (500–502)     50 %      –              30    429×6 503×3  0       3     6        9
  floor: it rained
  us: it rained
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDocument(t *testing.T) {
	var out bytes.Buffer
	r, err := newReport(&out, "json")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.add(reported()); err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Scenarios []struct {
			Name     string
			Variants []struct {
				Values map[string]struct {
					Median *float64
					Rounds []*float64
				}
				Tally tally
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	us := got.Scenarios[0].Variants[1]
	if v := us.Values["msg/s"]; *v.Median != 501 || len(v.Rounds) != 3 {
		t.Errorf("%+v", v)
	}
	if v := us.Values["p50 ms"]; v.Median != nil {
		t.Errorf("what is not known is %v", *v.Median)
	}
	if us.Tally.Refused[429] != 6 || us.Tally.Lost != 3 {
		t.Errorf("%+v", us.Tally)
	}
}

func TestUnknownOutput(t *testing.T) {
	if _, err := newReport(&bytes.Buffer{}, "yaml"); err == nil {
		t.Error("yaml is taken")
	}
}
