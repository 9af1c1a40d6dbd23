package alert

import (
	"errors"
	"time"

	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// Refused returns the alert about a budget that has too little left, if err is its refusal: one for each of its
// windows.
func Refused(err error, user string, now time.Time) (Alert, bool) {
	spent, ok := errors.AsType[*budget.Spent](err)
	if !ok {
		return Alert{}, false
	}
	return Alert{
		Key: "budget/" + spent.Account, Kind: Budget, User: user, At: now,
		Title: manifest.Phrase{En: "A budget is used up", Zh: "预算已用完"},
		Text:  manifest.Phrase{En: fault.Text(err), Zh: fault.Text(err)},
	}, true
}
