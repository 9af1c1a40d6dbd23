package intent

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/builtin"
)

// author is whose plan it is. Without a language model it is that of the words alone; a task that is started
// by its phrase was written by a person.
func (t *turn) author() flow.Author {
	switch {
	case t.by == "":
		return flow.ByPerson
	case t.model.Builtin():
		return flow.ByWords
	default:
		return t.by
	}
}

// byline says whose plan it is. Without a language model there is nothing to tell apart.
func (t *turn) byline() string {
	if t.model.Builtin() {
		return ""
	}
	switch t.by {
	case flow.ByModel, flow.ByBoth:
		line := t.words("The model made this plan.", "此计划由模型制定。")
		if t.by == flow.ByBoth {
			line = t.words("The model made this plan after it was shown what your words alone make.", "此计划由模型参照仅由您的文字得出的计划制定。")
		}
		if len(t.settled) > 0 {
			line += t.words(" Settled by the tools' own rules: ", "由工具自身的规则确定：") + strings.Join(t.settled, ", ") + t.words(".", "。")
		}
		return "\n\n" + line
	case flow.ByWords:
		return "\n\n" + t.words("This plan follows from your words alone: the model's own did not hold.", "此计划仅由您的文字得出：模型自己的计划不成立。")
	default:
		return "" // a task that somebody wrote
	}
}

// plan lets the model plan with these tools, repairs what does not hold, and turns the plan into a run. When
// the model finds none that holds, the one that the request's words alone make is proposed, and says so. It
// reports false when there is nothing to do.
func (t *turn) plan(ctx context.Context, tools []manifest.Manifest) (bool, error) {
	if len(tools) > mostTools {
		tools = builtin.Retrieve(t.in.Inbound.Text, tools, mostTools)
	}
	req := t.planRequest(tools)
	t.by = flow.ByModel
	var refused []string
	for try := range 1 + repairs {
		d, err := t.model.Plan(ctx, req)
		if fault.Is(err, fault.Invalid) && len(t.hint.Steps) > 0 {
			refused = []string{fault.Text(err)}
			break // it cannot write a plan down, and would not the next time
		}
		if err != nil {
			return true, t.apologise(ctx, err)
		}
		if d.Ask == "" && len(d.Steps) == 0 {
			return false, nil
		}
		if !t.model.Builtin() { // which makes nothing up
			d.Steps, t.settled = t.review(d, tools).settle()
		}
		if refused = t.problems(d, tools, try); len(refused) == 0 {
			return true, t.propose(d, tools)
		}
		fn.Logger(ctx, t.env.Log).Info("a plan of the model does not hold", "try", try+1, "problem", refused[0])
		if d.Ask != "" && try > 0 {
			break // it asks again for what it was told is there
		}
		req.Previous, req.Problems = d, refused
		if words := t.ownWords(); words != "" {
			req.Problems = append(req.Problems, words)
			t.by = flow.ByBoth
		}
	}
	if len(t.hint.Steps) > 0 {
		t.by = flow.ByWords
		return true, t.propose(model.Draft(t.hint), tools)
	}
	t.out.Markdown = t.words("I could not make a plan that holds: ", "我没能制定出可行的计划：") + refused[0]
	return true, nil
}

// problems returns what is wrong with a model's draft, the worst first. A question is wrong when the request
// says all that its tools need.
func (t *turn) problems(d model.Draft, tools []manifest.Manifest, try int) []string {
	if d.Ask != "" {
		if len(t.hint.Steps) > 0 {
			return []string{"nothing that the tools need is missing: answer with steps, not with a question"}
		}
		return nil
	}
	if _, err := t.prepare(d, tools); err != nil {
		return []string{fault.Text(err)}
	}
	if t.model.Builtin() {
		return nil
	}
	return t.review(d, tools).problems(try == 0)
}

func (t *turn) review(d model.Draft, tools []manifest.Manifest) review {
	return review{steps: d.Steps, tools: tools, said: t.heard(), date: t.today()}
}

// ownWords shows a model the steps that the words of the request alone make, if they make any.
func (t *turn) ownWords() string {
	if len(t.hint.Steps) == 0 {
		return ""
	}
	raw, err := json.Marshal(t.hint.Steps)
	if err != nil {
		return ""
	}
	return "rules that know the request's words only would do this; take of it what is right: " + string(raw)
}

// propose shows a draft to people: a question, a task, or a run.
func (t *turn) propose(d model.Draft, tools []manifest.Manifest) error {
	switch {
	case d.Ask != "":
		t.out.Markdown = d.Ask
		return nil
	case d.Schedule != nil:
		return t.offerTask(d, tools)
	}
	header, err := t.prepare(d, tools)
	if err != nil {
		t.out.Markdown = t.words("I could not make a plan that holds: ", "我没能制定出可行的计划：") + fault.Text(err)
		return nil
	}
	return t.begin(header)
}

// heard is all that was said in the conversation.
func (t *turn) heard() string {
	said := t.in.Inbound.Text
	for _, turn := range t.work.Turns {
		said += "\n" + string(turn)
	}
	return said
}
