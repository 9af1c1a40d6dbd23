package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

// mostEdits is how many edits a card tells of, the newest.
const mostEdits = 5

// CardButtons are the buttons under the card of a plan that waits for approval. Where only the one whose plan it
// is sees them, and they may not approve it, there is none to do so.
func CardButtons(run *flow.Run, alone bool) [][]message.Button {
	rows := channel.PlanButtons(run.Lang, run.ID, run.Digest, run.Install)
	asker := policy.Principal{User: run.User, Role: policy.Role(run.Role)}
	if alone && MayApprove(run, asker, run.FourEyes) != nil {
		return [][]message.Button{rows[0][1:]}
	}
	return rows
}

// Recard puts the card of a plan that somebody edited into the outbox of the conversation that asked for it: the
// buttons of the one that it has are for another plan. Each edit is shown once, however often this is repeated;
// of edits that come together, the last shows all. It returns the session, "" where nothing new was put there.
func (j *Journal) Recard(ctx context.Context) (ledger.Lane, error) {
	run := j.run
	if run.Revision == 0 || run.Session == "" || run.Round > 0 || run.Denied || run.State.Over() {
		return "", nil
	}
	out, err := addressed(run)
	if err != nil {
		return "", err
	}
	h := run.Header
	if h.Approve = run.Can(j.now()).Approve; h.Approve {
		out.Buttons = CardButtons(run, out.ReplyTo == "")
	}
	out.Markdown = edits(run) + "\n\n" + Card(h)
	if run.Approved {
		out.Markdown += " · " + words(run.Lang, "approved by ", "批准人：") + run.By
	}
	body, err := json.Marshal(out)
	if err != nil {
		return "", fault.As(fault.Internal, err, "the card of run %s", run.ID)
	}
	session := ledger.Lane(run.Session)
	posted, err := j.ledger.Post(ctx, session, fmt.Sprintf("edit/%s/%d", run.ID, run.Revision), body)
	if err != nil || !posted {
		return "", err
	}
	return session, nil
}

// edits says who changed what in a plan since it was shown first.
func edits(run *flow.Run) string {
	var b strings.Builder
	b.WriteString(words(run.Lang, "**This plan was changed; the card above no longer counts.**", "**计划已被修改，之前的卡片不再有效。**"))
	first := max(0, len(run.Past)-mostEdits)
	if first > 0 {
		fmt.Fprintf(&b, words(run.Lang, "\n- %d earlier changes", "\n- 更早的 %d 次修改"), first)
	}
	for i, before := range run.Past[first:] {
		after := run.Plan
		if next := first + i + 1; next < len(run.Past) {
			after = run.Past[next].Plan
		}
		var list []string
		for _, c := range flow.Changes(before.Plan, after) {
			list = append(list, "`"+strings.ReplaceAll(c.String(), "`", "'")+"`")
		}
		fmt.Fprintf(&b, "\n- %s: %s", before.By, strings.Join(list, ", "))
	}
	return b.String()
}
