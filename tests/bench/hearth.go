package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/policy"
)

// The bundle, in its two ways to run on one machine.
var (
	inline    = hearth("hearth, functions inline", "trusted")
	processes = hearth("hearth, a process each", "none")
)

func hearth(name, inline string) variant {
	return variant{
		name: name,
		command: func(b *bench, dir string) *exec.Cmd {
			cmd := exec.Command(b.binary, "up", "--addr", "127.0.0.1:0", "--data", dir, "--inline", inline)
			cmd.Env = append(os.Environ(), "OPENAI_BASE_URL="+b.world.model+"/v1", "TELEGRAM_API_URL="+b.world.platform,
				"TELEGRAM_BOT_TOKEN="+token, "TELEGRAM_WEBHOOK_SECRET="+secret)
			return cmd
		},
		webhook: "/function/adapter-telegram",
		know:    pair,
		fill:    fillHearth,
	}
}

// pair links the sender to the owner, as "hearth pair" does: a guest may only talk, which costs less.
func pair(ctx context.Context, s *store) error {
	l, v, err := s.ledger(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	who := channel.Identity{User: "owner", Role: policy.Owner, Platform: "telegram", Sender: fmt.Sprint(sender), At: time.Now().UTC()}
	body, err := json.Marshal(who)
	if err != nil {
		return err
	}
	id := channel.IdentityID(v, who.Platform, who.Account, who.Sender)
	_, err = l.Put(ctx, channel.IdentitySpace, ledger.Doc{ID: id, Rev: ledger.Any, Body: body}, 0)
	return err
}

// fillHearth lets each chat have had a conversation: the ledger accepts a message, claims it and finishes it
// with all turns at once.
func fillHearth(ctx context.Context, s *store, chats []int64, bytes int) error {
	l, _, err := s.ledger(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	var said [][]byte
	for i, text := range turns(bytes) {
		said = append(said, model.Message([]string{"user", "assistant"}[i%2], text))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int64)
	var wg sync.WaitGroup
	for range fillers {
		wg.Go(func() {
			for chat := range next {
				if err := converse(ctx, l, chat, said); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, chat := range chats {
		next <- chat
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// converse is one conversation that was had.
func converse(ctx context.Context, l *ledger.Ledger, chat int64, said [][]byte) error {
	lane := channel.Lane(l, message.Address{Platform: "telegram", Chat: fmt.Sprint(chat)})
	event, err := json.Marshal(channel.Said{Type: "user", Key: "0", Text: "how are you", From: "owner", At: time.Now()})
	if err != nil {
		return err
	}
	in, err := l.Accept(ctx, ledger.Message{Lane: lane, Key: "telegram//before", Body: []byte("{}"), Event: event})
	if err != nil {
		return err
	}
	work, err := l.Claim(ctx, lane, ledger.NewOwner())
	if err != nil {
		return err
	}
	if work == nil {
		return errors.New("somebody else answers while the store is filled")
	}
	_, err = l.Finish(ctx, work.Claim, ledger.Finish{Seq: in.Seq, Turns: said})
	return err
}

// turns is what a conversation of so many bytes said, a user's turn first. It holds no mark of a message.
func turns(bytes int) []string {
	const turn = 1024
	const prose = "The heating in the east wing was looked at this morning, and the two valves that leaked were replaced by new ones. "
	var all []string
	for left := bytes; left > 0; left -= turn {
		n := min(left, turn)
		all = append(all, strings.Repeat(prose, n/len(prose)+1)[:n])
	}
	return all
}

// owner returns the token that "hearth up" made for whoever owns the data folder.
func (t *target) owner() (string, error) {
	raw, err := os.ReadFile(filepath.Join(t.dir, "owner.token"))
	return strings.TrimSpace(string(raw)), err
}
