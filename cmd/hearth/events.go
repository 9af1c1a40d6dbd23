package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

const (
	maxEvent = 1 << 20          // bytes of one line of the stream
	silence  = 45 * time.Second // the server says something every 15 s; a stream this silent is dead
)

// The types of event that mean something here.
const (
	eventUser   = "user"
	eventDraft  = "draft"
	eventAnswer = "answer"
)

// event is one line of a session's event log.
type event struct {
	ID   string
	Data json.RawMessage
}

// chatEvent is what an event says.
type chatEvent struct {
	Type     string         `json:"type"`
	Key      string         `json:"key"`
	Seq      int64          `json:"seq"`
	Text     string         `json:"text"`
	From     string         `json:"from"`
	Markdown string         `json:"markdown"`
	Buttons  [][]chatButton `json:"buttons"`
	Run      string         `json:"run"`

	raw json.RawMessage
}

type chatButton struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// read decodes an event. Of one that says nothing to us, such as one of a newer server, only the type is
// known.
func (e event) read() (chatEvent, error) {
	var kind struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(e.Data, &kind) != nil || kind.Type != eventUser && kind.Type != eventDraft && kind.Type != eventAnswer {
		return chatEvent{Type: kind.Type}, nil
	}
	c := chatEvent{raw: e.Data}
	if err := json.Unmarshal(e.Data, &c); err != nil {
		return c, fault.As(fault.Unknown, err, "an event of the conversation is not what this version expects").
			Try("use the same version of hearth here and there")
	}
	return c, nil
}

// readEvents cuts a text/event-stream into events (WHATWG HTML, section 9.2.6) and calls handle for each.
// alive is called for every line. It returns at the end of the stream, or with the error of handle.
func readEvents(body io.Reader, alive func(), handle func(event) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	var e event
	for lines.Scan() {
		alive()
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "" && e.Data != nil:
			if err := handle(e); err != nil {
				return err
			}
			e.Data = nil // the id stays until there is another
		case field == "id":
			e.ID = value
		case field == "data":
			if e.Data != nil {
				e.Data = append(e.Data, '\n')
			}
			e.Data = append(e.Data, value...)
		}
	}
	if err := lines.Err(); err != nil {
		return fault.As(fault.Unknown, err, "the event stream broke")
	}
	return nil
}

// follow reads the event log of a session after an event until handle returns an error, which it returns,
// or ctx ends. A stream that breaks is taken up again after the last event that handle saw.
func (c *client) follow(ctx context.Context, session, after string, note func(string, ...any), handle func(event) error) error {
	o := outage{note: note}
	for {
		var done error
		alive := false
		err := c.stream(ctx, session, after, func() { alive = true }, func(e event) error {
			if done = handle(e); done == nil {
				after = e.ID
			}
			return done
		})
		if done != nil {
			return done
		}
		if alive {
			o.over()
		}
		if err == nil || alive {
			err = fault.New(fault.Unavailable, "the event stream ended")
		}
		if err := o.survive(ctx, err); err != nil {
			return err
		}
	}
}

// stream reads one stream to its end. A stream that is silent for too long is Unavailable.
func (c *client) stream(ctx context.Context, session, after string, alive func(), handle func(event) error) error {
	short, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(fault.New(fault.Unavailable, "the event stream is silent")) })
	defer watchdog.Stop()
	header := http.Header{"Accept": {"text/event-stream"}}
	if after != "" {
		header.Set("Last-Event-ID", after)
	}
	resp, err := c.send(short, "GET", webPath+"events?session="+url.QueryEscape(session), nil, header)
	if err == nil {
		defer resp.Body.Close()
		err = readEvents(resp.Body, func() { watchdog.Reset(silence); alive() }, handle)
	}
	if silent := context.Cause(short); err != nil && fault.Is(silent, fault.Unavailable) {
		return silent
	}
	return err
}

// catchUp returns the id of the last event of a session, "" when it has none.
func (c *client) catchUp(ctx context.Context, session string) (string, error) {
	after := ""
	for {
		path := webPath + "events?wait=0&session=" + url.QueryEscape(session) + "&after=" + url.QueryEscape(after)
		page, _, err := fetch[struct {
			Events []json.RawMessage `json:"events"`
			Cursor string            `json:"cursor"`
		}](ctx, c, "GET", path, nil)
		if err != nil || len(page.Events) == 0 {
			return after, err
		}
		after = page.Cursor
	}
}
