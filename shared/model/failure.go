package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// nonsense is an event that is no JSON.
type nonsense struct{ raw []byte }

func (n nonsense) Error() string { return fmt.Sprintf("not an event of an answer: %.80q", n.raw) }

// spoken is an error that the server reported inside a stream.
type spoken struct{ raw []byte }

func (s spoken) Error() string { return complaint(s.raw) }

// misfit are the words of llama-server for an answer that broke off under its own grammar. At a temperature
// of 0 the same request breaks off again: the server is well, and another request is due.
var misfit = regexp.MustCompile(`output that does not match the expected \S+ format`)

// errNoModel marks a refusal because of the model's name.
var errNoModel = errors.New("no model of that name")

// suggest adds to a refusal because of the model's name the names that would do.
func (c *Client) suggest(ctx context.Context, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || !errors.Is(err, errNoModel) {
		return err
	}
	if _, lost := c.list(ctx); lost != nil {
		return f.Try("set OPENAI_MODEL to a model that the server has")
	}
	return f.Try("set OPENAI_MODEL to a model that the server has: " + c.names())
}

// nextStep is what mends a model that cannot be reached.
const nextStep = "start the model server, or set OPENAI_BASE_URL to one that runs"

// explain turns an error of a call into a fault. ctx is the call's, whose cause tells a stalled server
// from a caller who left.
func (c *Client) explain(ctx context.Context, err error) error {
	if stopped, ok := errors.AsType[emitError](err); ok {
		return stopped
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if bad, ok := errors.AsType[nonsense](err); ok {
		return fault.As(fault.Unavailable, bad, "the model at %s sent something that is not an answer", c.base)
	}
	if said, ok := errors.AsType[spoken](err); ok {
		if misfit.MatchString(said.Error()) {
			return fault.New(fault.Invalid, "the model at %s broke off its answer: %s", c.base, said)
		}
		return fault.New(fault.Unavailable, "the model at %s failed in the middle of its answer: %s", c.base, said)
	}
	if errors.Is(err, errAborted) {
		return fault.New(fault.Unavailable, "the server at %s aborted the answer", c.base)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return c.cutOff()
	}
	_, garbled := errors.AsType[*json.SyntaxError](err)
	_, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	if garbled || mistyped {
		return fault.As(fault.Unavailable, err, "the model at %s sent something that is not an answer", c.base)
	}
	return fault.As(fault.Unavailable, err, "the model at %s cannot be reached", c.base).Try(nextStep)
}

// cutOff is the error of a stream that ends without a finish_reason. go-openai reports such an end, and
// some errors, just as it does success.
func (c *Client) cutOff() error {
	return fault.New(fault.Unavailable, "the model at %s stopped in the middle of its answer", c.base)
}

func (c *Client) nonsense(what string) error {
	return fault.New(fault.Unavailable, "the model at %s sent %s", c.base, what)
}

// interrupted is the error of a call whose context ended.
func interrupted(ctx context.Context) error {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errStalled), errors.Is(cause, errEndless):
		return fault.New(fault.Timeout, "%s", cause.Error()).Try("look at the model server's log; a long prompt on a slow machine needs a smaller CONTEXT_TOKENS")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.As(fault.Timeout, cause, "the model did not answer in the time that was left")
	default:
		return fault.As(fault.Unavailable, cause, "the call to the model was given up")
	}
}

// refusal turns a response other than 200 into a fault. key is blotted out, should the server repeat it.
func (c *Client) refusal(resp *http.Response, key string) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		return fault.As(fault.Unavailable, err, "the model at %s refused with status %d", c.base, resp.StatusCode)
	}
	text := complaint(raw)
	if key != "" {
		text = strings.ReplaceAll(text, key, "[the key]")
	}
	f := fault.New(fault.Invalid, "the model at %s refused: %s (status %d)", c.base, text, resp.StatusCode)
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return f.Try("put a valid key into the secret openai-api-key, or into OPENAI_API_KEY")
	case status == http.StatusNotFound && strings.Contains(strings.ToLower(text), "model"):
		f.Err = errNoModel
		return f
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status >= 300 && status < 400:
		return f.Try("check OPENAI_BASE_URL: it mostly ends in /v1")
	case status == http.StatusRequestEntityTooLarge || overlong.MatchString(text):
		f.Kind = fault.TooLarge
		return f.Try("set CONTEXT_TOKENS to less than the model takes")
	case status == http.StatusTooManyRequests:
		f.Kind = fault.Limited
		return f.In(pause(resp.Header, c.conf.Now()))
	case status == http.StatusNotImplemented:
		return f.Try("use a model server that offers this; OPENAI_EMBEDDING_MODEL names a model for embeddings")
	case status >= 500 || status == http.StatusRequestTimeout:
		f.Kind = fault.Unavailable
		return f.In(pause(resp.Header, c.conf.Now())).Try(nextStep)
	default:
		return f.Try("look at the model server's log")
	}
}

// overlong are the words of servers for a prompt that does not fit: vLLM and OpenAI, llama-server, Ollama.
var overlong = regexp.MustCompile(`(?i)context[ _](?:length|size|window)|exceed_context|too many tokens|prompt is too long`)

// pause reads Retry-After: seconds or a date (RFC 9110, section 10.2.3).
func pause(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// complaint finds the message in an error's body: OpenAI's form, vLLM's flat one, FastAPI's detail, a bare
// text, or the text of a web page.
func complaint(raw []byte) string {
	var body struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(raw, &body) == nil {
		for _, field := range []json.RawMessage{body.Error, body.Message, body.Detail} {
			if text := messageOf(field); text != "" {
				return brief(text)
			}
		}
	}
	return brief(tags.ReplaceAllString(string(raw), " "))
}

// messageOf reads a message that is a text, an object with one, or a list of such objects.
func messageOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var object struct {
		Message string `json:"message"`
		Msg     string `json:"msg"`
	}
	if json.Unmarshal(raw, &object) == nil && object.Message+object.Msg != "" {
		return object.Message + object.Msg
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 && len(list) < 100 {
		return messageOf(list[0])
	}
	return ""
}

var tags = regexp.MustCompile(`(?s)<(?:style|script|head)\b.*?</(?:style|script|head)>|<[^>]*>`)

// brief makes text one line of at most 200 characters.
func brief(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if text == "" {
		return "no reason given"
	}
	if runes := []rune(text); len(runes) > 200 {
		return string(runes[:200]) + "…"
	}
	return text
}
