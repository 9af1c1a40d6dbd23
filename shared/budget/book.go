package budget

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/model"
)

// Spent is in the chain of every refusal of a budget.
type Spent struct {
	Account string // of the budget, in its window: the same for all refusals until it begins anew
}

// Error tells people nothing: the refusal around it does.
func (s *Spent) Error() string { return "the budget is used up: " + s.Account }

// IsSpent reports whether err is a refusal of a budget.
func IsSpent(err error) bool {
	_, spent := errors.AsType[*Spent](err)
	return spent
}

// Book keeps the budgets of HEARTH_BUDGET. Without any it costs nothing.
type Book struct {
	ledger *ledger.Ledger
	rules  []Rule
	price  price
	zone   *time.Location
	now    func() time.Time
	log    *slog.Logger
}

// price is what a million tokens cost.
type price struct{ prompt, answer float64 }

// Open returns the budgets of a deployment.
func Open(ctx context.Context, env *fn.Env) (*Book, error) {
	l, err := ledger.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	b := &Book{ledger: l, now: env.Now, log: env.Log}
	if b.rules, err = Parse(env.Setting("HEARTH_BUDGET", "")); err != nil {
		return nil, err
	}
	if b.zone, err = env.Zone(); err != nil {
		return nil, err
	}
	b.price, err = parsePrice(env.Setting("OPENAI_PRICE", ""))
	if err != nil {
		return nil, err
	}
	for _, r := range b.rules {
		if r.Quantity == Money && b.price == (price{}) {
			return nil, fault.New(fault.Invalid, "the budget %q needs to know what tokens cost", r).At("OPENAI_PRICE").
				Try("OPENAI_PRICE=0.15/0.60 for a million tokens of prompts and answers")
		}
	}
	return b, nil
}

func parsePrice(text string) (price, error) {
	if text == "" {
		return price{}, nil
	}
	prompt, answer, found := strings.Cut(text, "/")
	in, err := strconv.ParseFloat(prompt, 64)
	out, err2 := strconv.ParseFloat(answer, 64)
	if !found || err != nil || err2 != nil || in < 0 || out < 0 {
		return price{}, fault.New(fault.Invalid, "not a price: %.40q", text).At("OPENAI_PRICE").
			Try("OPENAI_PRICE=0.15/0.60 for a million tokens of prompts and answers")
	}
	return price{in, out}, nil
}

// money is what tokens cost, in millionths, rounded up.
func (p price) money(u model.Usage) int64 {
	return int64(math.Ceil(float64(u.Prompt)*p.prompt + float64(u.Answer)*p.answer))
}

// Amounts is how much of each quantity.
type Amounts map[Quantity]int64

// Hold is a reservation.
type Hold struct {
	book    *Book
	key     string
	rules   []Rule
	charges []ledger.Charge
}

// Reserve takes amounts from the budgets that who counts against, all or none. The same key again is the same
// reservation. An error with Spent in its chain says which budget has too little left, and when it begins
// anew.
func (b *Book) Reserve(ctx context.Context, key string, who Who, most Amounts) (*Hold, error) {
	h := &Hold{book: b, key: key}
	now := b.now().In(b.zone)
	for _, r := range applying(b.rules, who) {
		if most[r.Quantity] == 0 {
			continue
		}
		from, to := window(r.Window, now)
		h.rules = append(h.rules, r)
		h.charges = append(h.charges, ledger.Charge{
			Account: account(r, who, from), Amount: most[r.Quantity], Limit: r.Limit, Keep: to.Sub(now) + time.Hour,
		})
	}
	if len(h.charges) == 0 {
		return h, nil
	}
	short, err := b.ledger.Reserve(ctx, key, h.charges)
	if err != nil {
		return nil, err
	}
	if short == nil {
		return h, nil
	}
	for i, c := range h.charges {
		if c == short.Charge {
			return nil, b.refuse(h.rules[i], who, short, now)
		}
	}
	return nil, fault.New(fault.Internal, "a budget that nobody asked is short")
}

func (b *Book) refuse(r Rule, who Who, short *ledger.Short, now time.Time) error {
	_, to := window(r.Window, now)
	name := r.of(who)
	if r.Scope != "all" {
		name = r.Scope + " " + name
	}
	return fault.As(fault.Limited, &Spent{short.Account}, "the budget %q has too little left for %s: %s used; it begins anew at %s",
		r, name, Rule{Quantity: r.Quantity, Limit: short.Used}.amount(), to.Format("2006-01-02 15:04")).In(to.Sub(now))
}

func (r Rule) amount() string {
	if r.Quantity == Money {
		return strconv.FormatFloat(float64(r.Limit)/1e6, 'f', -1, 64)
	}
	return strconv.FormatInt(r.Limit, 10)
}

func account(r Rule, who Who, from time.Time) string {
	return fmt.Sprintf("%s/%s/%s/%s/%d", r.Scope, r.of(who), r.Quantity, r.Window, from.Unix())
}

// Settle corrects a reservation to what was used. What cannot be settled counts in full.
func (h *Hold) Settle(ctx context.Context, used Amounts) {
	if len(h.charges) == 0 {
		return
	}
	for i, r := range h.rules {
		h.charges[i].Amount = used[r.Quantity]
	}
	if err := h.book.ledger.Settle(context.WithoutCancel(ctx), h.key, h.charges); err != nil {
		fn.Logger(ctx, h.book.log).Warn("a budget keeps what was reserved", "for", h.key, "err", err)
	}
}

// Meter counts the calls of a model that are made with ctx against the budgets of who. key names the work that
// they are for; each call gets a number.
func (b *Book) Meter(ctx context.Context, key string, who Who) context.Context {
	if len(applying(b.rules, who)) == 0 {
		return ctx
	}
	var calls atomic.Int32
	return model.Metered(ctx, func(ctx context.Context, most model.Usage) (func(model.Usage), error) {
		h, err := b.Reserve(ctx, fmt.Sprintf("%s/%d", key, calls.Add(1)), who, b.amounts(most))
		if err != nil {
			return nil, err
		}
		return func(used model.Usage) { h.Settle(ctx, b.amounts(used)) }, nil
	})
}

func (b *Book) amounts(u model.Usage) Amounts {
	return Amounts{Tokens: int64(u.Prompt + u.Answer), Money: b.price.money(u)}
}

// Line is where one budget stands.
type Line struct {
	Budget string    `json:"budget"` // as in HEARTH_BUDGET
	For    string    `json:"for"`
	Limit  float64   `json:"limit"`
	Used   float64   `json:"used"`
	Until  time.Time `json:"until"` // it begins anew
}

// Lines returns the budgets that somebody counts against.
func (b *Book) Lines(ctx context.Context, who Who) ([]Line, error) {
	rules, now := applying(b.rules, who), b.now().In(b.zone)
	accounts, lines := make([]string, len(rules)), make([]Line, len(rules))
	for i, r := range rules {
		from, to := window(r.Window, now)
		accounts[i] = account(r, who, from)
		lines[i] = Line{Budget: r.String(), For: r.of(who), Limit: r.shown(r.Limit), Until: to}
	}
	if len(rules) == 0 {
		return lines, nil
	}
	used, err := b.ledger.Used(ctx, accounts)
	if err != nil {
		return nil, err
	}
	for i, r := range rules {
		lines[i].Used = r.shown(used[i])
	}
	return lines, nil
}

func (r Rule) shown(n int64) float64 {
	if r.Quantity == Money {
		return float64(n) / 1e6
	}
	return float64(n)
}
