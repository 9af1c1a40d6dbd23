package channel

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// ringTime bounds how long an acknowledgement waits for the doorbell: a lost one costs the pump's interval.
const ringTime = 2 * time.Second

// Accepted is the body of a message in the ledger: what planner-intent works on.
type Accepted struct {
	Inbound   message.Inbound  `json:"inbound"`
	Principal policy.Principal `json:"principal"`
	Pairing   string           `json:"pairing,omitempty"` // an unknown sender's code for "hearth pair CODE"
}

// Said is the event of somebody's message in the event log of a session.
type Said struct {
	Type string    `json:"type"` // user
	Key  string    `json:"key"`
	Text string    `json:"text"`
	From string    `json:"from"`
	At   time.Time `json:"at"`
}

// Taken says what became of a message.
type Taken struct {
	Seq    int64  // its number in the session; 0 if it was not accepted
	Answer string // the key of the answer that an order was given at once
}

// Lane returns the lane of a conversation.
func Lane(l *ledger.Ledger, a message.Address) ledger.Lane {
	return l.Session("chat", a.Platform, a.Account, a.Chat, a.Thread)
}

// Intake takes what reached an adapter into the assistant. It is safe for concurrent use.
type Intake struct {
	env     *fn.Env
	ledger  *ledger.Ledger
	vault   *vault.Vault
	gateway *gateway.Client
	deliver func(context.Context, message.Outbound) error
	who     identities
}

// NewIntake returns the intake of the adapter name, which delivers the answers to orders with deliver.
func NewIntake(ctx context.Context, env *fn.Env, name string, deliver func(context.Context, message.Outbound) error) (*Intake, error) {
	v, err := env.Vault()
	if err != nil {
		return nil, err
	}
	l, err := ledger.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	g, err := gateway.Open(env, name)
	if err != nil {
		return nil, err
	}
	return &Intake{env: env, ledger: l, vault: v, gateway: g, deliver: deliver, who: identities{ledger: l, vault: v}}, nil
}

// Take takes one message of somebody whom the platform vouches for.
func (i *Intake) Take(ctx context.Context, in message.Inbound) (Taken, error) {
	if !meant(in) {
		return Taken{}, nil
	}
	p, err := i.who.of(ctx, in.Address, in.From.ID, i.env.Now())
	if err != nil {
		return Taken{}, err
	}
	return i.TakeFrom(ctx, in, p)
}

// TakeFrom is Take for somebody who is signed in. When it returns without error, the message is durable,
// or the order is carried out and answered. It may be called again with the same message.
func (i *Intake) TakeFrom(ctx context.Context, in message.Inbound, p policy.Principal) (Taken, error) {
	if in.At.IsZero() {
		in.At = i.env.Now()
	}
	in.At = in.At.UTC()
	if o, ok := orderOf(in); ok {
		taken, done, err := i.obey(ctx, in, p, o)
		if err != nil || done {
			return taken, err
		}
	}
	return i.accept(ctx, in, p)
}

// meant reports whether a message is for us: in a group only when we are addressed, never from another
// bot. An edited message was answered when it was new.
func meant(in message.Inbound) bool {
	switch {
	case in.From.Bot, in.From.ID == "":
		return false
	case in.Kind == message.Action:
		return in.Action != nil
	case in.Kind != message.Text:
		return false
	case strings.TrimSpace(in.Text) == "" && len(in.Files) == 0:
		return false
	default:
		return in.ChatKind == message.Direct || in.Mentioned
	}
}

func (i *Intake) accept(ctx context.Context, in message.Inbound, p policy.Principal) (Taken, error) {
	a := Accepted{Inbound: in, Principal: p}
	if p.User == "" && in.ChatKind == message.Direct {
		code, err := offer(ctx, i.ledger, i.vault, in.Address, in.From, i.env.Now())
		if err != nil {
			return Taken{}, err
		}
		a.Pairing = code
	}
	body, err := json.Marshal(a)
	if err != nil {
		return Taken{}, fault.As(fault.Internal, err, "encode a message")
	}
	event, err := said(in, p)
	if err != nil {
		return Taken{}, err
	}
	lane := Lane(i.ledger, in.Address)
	got, err := i.ledger.Accept(ctx, ledger.Message{Lane: lane, Key: key(in), Body: body, Event: event})
	if err != nil {
		return Taken{}, err
	}
	if !got.Duplicate {
		i.ring(ctx, lane)
	}
	return Taken{Seq: got.Seq}, nil
}

// key recognises a message that arrives again.
func key(in message.Inbound) string {
	return strings.Join([]string{in.Address.Platform, in.Address.Account, in.ID}, "/")
}

func said(in message.Inbound, p policy.Principal) ([]byte, error) {
	text := in.Text
	if in.Action != nil && text == "" {
		text = in.Action.Value
	}
	from := p.User
	if from == "" {
		from = in.From.Name
	}
	event, err := json.Marshal(Said{"user", in.ID, text, from, in.At})
	if err != nil {
		return nil, fault.As(fault.Internal, err, "encode an event")
	}
	return event, nil
}

func (i *Intake) ring(ctx context.Context, lane ledger.Lane) {
	ctx, cancel := context.WithTimeout(ctx, ringTime)
	defer cancel()
	if err := i.gateway.Ring(ctx, "planner-intent", string(lane)); err != nil {
		fn.Logger(ctx, i.env.Log).Warn("doorbell lost, the pump will see to it", "lane", lane, "err", err)
	}
}

// Speaks returns the language of somebody's message: zh or en.
func Speaks(in message.Inbound) string {
	if strings.ContainsFunc(in.Text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) || strings.HasPrefix(in.Lang, "zh") {
		return "zh"
	}
	return "en"
}
