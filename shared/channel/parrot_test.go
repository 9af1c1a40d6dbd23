package channel_test

import (
	"crypto/subtle"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parrot is a platform made up for these tests: its webhook carries what Decode returns, its API takes
// the text itself and answers with the message's number, and its token is in the path.
type parrot struct{}

var parrotFunction = channel.Define("parrot", func(*fn.Env) (channel.Adapter, error) { return parrot{}, nil })

const (
	parrotToken = "hush-token"
	maxParrot   = 40 // runes
)

func (parrot) Caps() channel.Caps {
	return channel.Caps{MaxText: maxParrot, Unit: message.Runes, Pace: func(to message.Address) channel.Pace {
		return channel.Pace{Every: time.Millisecond, Burst: 100, Draft: time.Hour}
	}}
}

func (parrot) Verify(a channel.Account, r channel.Request) ([]byte, error) {
	secret, err := a.Secret("webhook-secret")
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Parrot")), []byte(secret)) != 1 {
		return nil, fault.New(fault.Unauthorized, "no parrot")
	}
	return r.Body, nil
}

func (parrot) Decode(a channel.Account, r channel.Request) (channel.Batch, error) {
	var in []message.Inbound
	if err := json.Unmarshal(r.Body, &in); err != nil {
		return channel.Batch{}, fault.As(fault.Invalid, err, "not a parrot")
	}
	for i := range in {
		in[i].Address.Platform, in[i].Address.Account = "parrot", a.Name
		in[i].Mentioned = in[i].Mentioned || strings.Contains(in[i].Text, a.Self.Name)
	}
	return channel.Batch{Ack: channel.Response{Status: 201, Type: "text/parrot", Body: []byte("squawk")}, Events: in}, nil
}

func (parrot) Encode(_ channel.Account, out message.Outbound) ([]channel.Call, error) {
	size := func(doc message.Document) int { return message.Runes(message.Plain.Write(doc)) }
	var calls []channel.Call
	for i, part := range message.Split(message.Parse(out.Markdown), maxParrot, size) {
		text := message.Plain.Write(part)
		call := channel.Call{Path: "/" + parrotToken + "/say?to=" + out.Address.Chat, Body: []byte(text)}
		if out.Edit != "" && i == 0 {
			fresh := call
			call = channel.Call{Path: "/" + parrotToken + "/edit", Body: []byte(text), ID: out.Edit, Fresh: &fresh}
		}
		call.Plain = &channel.Call{Path: "/" + parrotToken + "/say", Body: []byte("plain " + text)}
		calls = append(calls, call)
	}
	for _, row := range out.Buttons {
		for _, button := range row {
			calls = append(calls, channel.Call{Path: "/" + parrotToken + "/say", Body: []byte(button.Value)})
		}
	}
	return calls, nil
}

func (parrot) Classify(answer channel.Answer) (string, error) {
	switch answer.Status {
	case 200:
		return string(answer.Body), nil
	case 400:
		return "", channel.ErrMarkup
	case 410:
		return "", channel.ErrGone
	case 403:
		return "", fault.New(fault.Forbidden, "shooed")
	case 429:
		after, err := time.ParseDuration(string(answer.Body))
		return "", fault.As(fault.Limited, err, "too many crackers").In(after)
	default:
		return "", fault.New(fault.Unknown, "status %d", answer.Status)
	}
}

func (parrot) Introduce(channel.Account) (channel.Call, error) {
	return channel.Call{Path: "/" + parrotToken + "/me"}, nil
}

func (parrot) Introduced(answer channel.Answer) (message.Sender, error) {
	return message.Sender{ID: "polly", Name: "Polly"}, nil
}

func (parrot) Acknowledge(_ channel.Account, press message.Press, _ string) (channel.Call, error) {
	return channel.Call{Path: "/" + parrotToken + "/ack", Body: []byte(press.ID)}, nil
}

func (parrot) Typing(channel.Account, message.Address) (channel.Call, error) {
	return channel.Call{Path: "/" + parrotToken + "/typing"}, nil
}

func (parrot) Token() string { return "token" }

func (parrot) Polls(a channel.Account) bool {
	_, err := a.Secret("token")
	return err == nil
}

func (parrot) Poll(_ channel.Account, cursor string, _ time.Duration) (channel.Call, error) {
	return channel.Call{Path: "/" + parrotToken + "/poll", Body: []byte(cursor)}, nil
}

func (parrot) Polled(answer channel.Answer) ([]channel.Update, error) {
	if answer.Status != 200 {
		return nil, fault.New(fault.Conflict, "somebody else polls")
	}
	var list []json.RawMessage
	if err := json.Unmarshal(answer.Body, &list); err != nil {
		return nil, err
	}
	var updates []channel.Update
	for _, raw := range list {
		var in []struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(raw, &in) // a poison update has no id
		updates = append(updates, channel.Update{Body: raw, Cursor: in[0].ID})
	}
	return updates, nil
}
