package builtin_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/model/builtin"
)

// many returns the three plugins among n that have nothing to do with them.
func many(n int) []manifest.Manifest {
	var out []manifest.Manifest
	for i := range n {
		out = append(out, manifest.Manifest{
			ID: fmt.Sprintf("other_%02d", i), Title: manifest.Phrase{En: fmt.Sprintf("Thing %d", i), Zh: fmt.Sprintf("东西%d", i)},
			Intent: manifest.Intent{Phrases: []string{fmt.Sprintf("thing%d", i)}, Order: i},
		})
	}
	return append(out, tools()...)
}

func ids(tools []manifest.Manifest) []string {
	var out []string
	for _, m := range tools {
		out = append(out, m.ID)
	}
	return out
}

func TestRetrieve(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want []string
	}{
		{"生成今天的销售报表并发邮件给 team@example.com", 3, []string{"database_query", "email_sender", "excel_generator"}},
		{"please make a spreadsheet", 2, []string{"excel_generator", "database_query"}}, // with what feeds it
		{"查一下销售", 1, []string{"database_query"}},
		{"thing7 and thing3", 2, []string{"other_03", "other_07"}},
		{"read-only SQL", 1, []string{"database_query"}}, // words of the summary
		{"nothing of that", 2, []string{"other_00", "other_01"}},
		{"anything", 0, nil},
		{"anything", -1, nil},
	} {
		got := ids(builtin.Retrieve(c.text, many(20), c.most))
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.text, got, c.want)
		}
	}
	if got := builtin.Retrieve("发邮件", many(20), 100); len(got) != 23 || got[0].ID != "email_sender" {
		t.Errorf("all: %v", ids(got))
	}
}

func TestRetrieveKeepsThePlan(t *testing.T) {
	const text = "生成报表并发邮件给 team@example.com"
	all := builtin.Plan(builtin.Request{Text: text, Date: today, Tools: many(20)})
	few := builtin.Plan(builtin.Request{Text: text, Date: today, Tools: builtin.Retrieve(text, many(20), 6)})
	if line(all.Steps) != report || line(few.Steps) != report {
		t.Fatalf("all: %s\nfew: %s", line(all.Steps), line(few.Steps))
	}
}

func TestEmbedPutsLikeNearLike(t *testing.T) {
	near := func(a, b string) float64 {
		var dot float64
		for i, x := range builtin.Embed(a) {
			dot += float64(x) * float64(builtin.Embed(b)[i])
		}
		return dot
	}
	if same := near("销售报表", "销售报表"); math.Abs(same-1) > 1e-5 {
		t.Errorf("a text is %v from itself", same)
	}
	if like, unlike := near("the sales report of today", "today's sales reports"), near("the sales report of today", "weather in Oslo"); like <= unlike {
		t.Errorf("like %v, unlike %v", like, unlike)
	}
	if len(builtin.Embed("")) != builtin.Dimensions {
		t.Error("an empty text has no vector")
	}
}
