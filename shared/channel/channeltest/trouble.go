package channeltest

import (
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel/platformtest"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

// Trouble is what one delivery meets, as a platform words it, and what comes of it.
type Trouble struct {
	Name    string
	Failure platformtest.Failure
	Header  []string   // of the call of the adapter: names and values in turn
	Kind    fault.Kind // of the first attempt; "" for success
	Said    string     // what people see after it
}

// Troubles delivers a message with buttons, "**hello**", once into each trouble.
func Troubles(t *testing.T, adapter fn.Function, stage OpenStage, troubles []Trouble) {
	for _, tt := range troubles {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			s := open(t, adapter, stage, nil)
			tt.Failure.Method = s.stage.Post
			s.stage.Fail(tt.Failure)
			out := message.Outbound{
				Key: "s/m1", Address: s.stage.Chat, Markdown: "**hello**",
				Buttons: [][]message.Button{{{Label: "Yes", Value: "v"}}},
			}
			_, err := s.Send(out, tt.Header...)
			if (err == nil) != (tt.Kind == "") || err != nil && fault.KindOf(err) != tt.Kind {
				t.Fatalf("%v (%s), want %s", err, fault.KindOf(err), tt.Kind)
			}
			asked := time.Duration(tt.Failure.RetryAfter-1) * time.Second
			if tt.Kind == fault.Limited && fault.After(err) < asked {
				t.Errorf("come back after %v", fault.After(err))
			}
			if said := s.texts(); said != tt.Said {
				t.Errorf("people see %q, want %q", said, tt.Said)
			}
		})
	}
}
