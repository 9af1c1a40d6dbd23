package ledger

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// holdFor is how long a hold is remembered: as long as a call that it is for may be repeated.
const holdFor = 24 * time.Hour

// Charge is what a hold takes from an account. An account is a count in a window of time: its name has the
// window's start in it.
type Charge struct {
	Account string
	Amount  int64
	Limit   int64         // of the account
	Keep    time.Duration // until its window is over
}

// Short says which charge of a hold its account had too little left for.
type Short struct {
	Charge
	Used int64
}

// Reserve takes all charges of a hold from their accounts, or none: then it returns the first that does not
// fit. A hold that was reserved before is not charged again. What is never settled stays charged in full.
func (l *Ledger) Reserve(ctx context.Context, hold string, charges []Charge) (*Short, error) {
	args := []any{holdFor.Milliseconds()}
	for _, c := range charges {
		args = append(args, c.Amount, c.Limit, c.Keep.Milliseconds())
	}
	got, err := ints(l.run(ctx, l.scripts.reserve, true, l.accountKeys(hold, charges), args...))
	if err != nil || got[0] == 0 {
		return nil, err
	}
	return &Short{charges[got[0]-1], got[1]}, nil
}

// Settle corrects the charges of a hold to what was used. It may be repeated.
func (l *Ledger) Settle(ctx context.Context, hold string, used []Charge) error {
	args := make([]any, len(used))
	for i, c := range used {
		args[i] = c.Amount
	}
	_, err := l.run(ctx, l.scripts.settle, false, l.accountKeys(hold, used), args...)
	return err
}

// Used returns what is taken from each account.
func (l *Ledger) Used(ctx context.Context, accounts []string) ([]int64, error) {
	cmds := make([]*redis.StringCmd, len(accounts))
	_, err := l.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, account := range accounts {
			cmds[i] = p.Get(ctx, l.accountKey(account))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, kinded(err)
	}
	used := make([]int64, len(accounts))
	for i, cmd := range cmds {
		used[i], _ = strconv.ParseInt(cmd.Val(), 10, 64) // not there: nothing is used
	}
	return used, nil
}

// accountKeys puts a hold and its accounts into one slot: there are few, and they are checked together.
func (l *Ledger) accountKeys(hold string, charges []Charge) []string {
	keys := []string{tag(spacePartition(accountSpace)) + "hold:" + l.vault.Blind("hold", hold)}
	for _, c := range charges {
		keys = append(keys, l.accountKey(c.Account))
	}
	return keys
}

// accountSpace names the partition of all accounts.
const accountSpace = "accounts"

func (l *Ledger) accountKey(account string) string {
	return tag(spacePartition(accountSpace)) + "account:" + l.vault.Blind("account", account)
}
