package channeltest

import (
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/channel/platformtest"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

// Stage is a platform as the common stories use it: its stand-in with one person, Ann, and her direct chat
// with the assistant.
type Stage struct {
	*platformtest.Base

	Settings map[string]string // of the adapter: where the stand-in is
	Secrets  map[string]string // by field: all that an account needs
	Proof    string            // the field of the secret that proves requests
	Rotated  string            // another good value of it
	Prove    func(secret string, r *channel.Request, at time.Time)

	Chat  message.Address // Ann's
	Say   func(text string) channel.Request
	Press func(on Shown, value string) channel.Request
	Shown func() []Shown // what the assistant's side of the chat shows now, oldest first

	Post  string // the method of the API that posts a message, as the stand-in writes it down
	Most  int    // characters of the longest message
	Gone  string // the id of a message that is not there, where messages can be edited
	Limit bool   // the platform limits how fast messages may come: the stand-in does too
	Close func() // from now on, the platform lets nobody write to Ann
}

// OpenStage opens a new stage on a clock.
type OpenStage func(t testing.TB, now func() time.Time) Stage

// Shown is a message of the assistant as people see it.
type Shown struct {
	ID      string
	Text    string   // without markup
	Buttons []string // values
}

// scene is one story: a stage, and a house with the functions behind it.
type scene struct {
	*testing.T
	*House
	stage Stage
	desk  *desk
}

// open opens a scene with these functions and the plugins of the stories behind the adapter.
func open(t *testing.T, adapter fn.Function, stage OpenStage, functions []fn.Function) *scene {
	t.Helper()
	d := &desk{}
	h := Open(t, adapter, nil, append(d.functions(), functions...)...)
	s := &scene{T: t, House: h, stage: stage(t, h.Now), desk: d}
	for name, value := range s.stage.Settings {
		h.Set(name, value)
	}
	for field, value := range s.stage.Secrets {
		h.Secret(h.Platform()+"-"+field, value)
	}
	return s
}

// say has Ann write. The platform is told that we took it.
func (s *scene) say(text string) {
	s.Helper()
	s.take(s.stage.Say(text))
}

// press has Ann press a button.
func (s *scene) press(on Shown, button int) {
	s.Helper()
	if button >= len(on.Buttons) {
		s.Fatalf("no button %d under %q", button, on.Text)
	}
	s.take(s.stage.Press(on, on.Buttons[button]))
}

func (s *scene) take(r channel.Request) {
	s.Helper()
	if status, said := s.deliver(r, s.stage.Secrets[s.stage.Proof]); status < 200 || status > 299 {
		s.Errorf("the platform hears %d %s", status, said)
	}
}

// deliver posts a request that secret proves.
func (s *scene) deliver(r channel.Request, secret string) (int, string) {
	s.Helper()
	r = copied(r)
	s.stage.Prove(secret, &r, s.Now())
	return s.Request("/", r)
}

func copied(r channel.Request) channel.Request {
	r.Header = r.Header.Clone()
	return r
}

// hear waits for a message that says something, after the first known ones, and returns it.
func (s *scene) hear(known int, words string) Shown {
	s.Helper()
	var found Shown
	s.Await("a message that says "+words, func() bool {
		for _, m := range s.stage.Shown()[known:] {
			if strings.Contains(m.Text, words) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// texts is all that the chat shows, as one text.
func (s *scene) texts() string {
	var all []string
	for _, m := range s.stage.Shown() {
		all = append(all, m.Text)
	}
	return strings.Join(all, "\n---\n")
}

// befriend makes Ann known as a member.
func (s *scene) befriend() {
	s.Helper()
	known := len(s.stage.Shown())
	s.say("/pair")
	_, after, _ := strings.Cut(s.hear(known, "hearth pair").Text, "hearth pair ")
	code, _, _ := strings.Cut(after, "`")
	if status, said := s.As("ann", "member", "system-auth/pair", `{"code":"`+strings.TrimSpace(code)+`"}`); status != 200 {
		s.Fatalf("pair %q: %d %s", code, status, said)
	}
}
