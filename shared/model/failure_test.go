package model_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

// failures that the server describes: what it sends, and what people and programs see of it.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   fault.Kind
		text   string
	}{
		{"openai", 400, `{"error":{"message":"bad thing","type":"invalid_request_error","param":null,"code":"x"}}`, fault.Invalid, "bad thing"},
		{"vllm", 400, `{"error":{"message":"bad thing","type":"BadRequestError","param":null,"code":400}}`, fault.Invalid, "bad thing"},
		{"vllm, flat", 400, `{"object":"error","message":"bad thing","type":"BadRequestError","code":400}`, fault.Invalid, "bad thing"},
		{"ollama", 400, `{"error":"bad thing"}`, fault.Invalid, "bad thing"},
		{"fastapi", 422, `{"detail":[{"loc":["body","messages"],"msg":"bad thing","type":"missing"}]}`, fault.Invalid, "bad thing"},
		{"no such route", 404, `{"detail":"Not Found"}`, fault.Invalid, "OPENAI_BASE_URL"},
		{"web page", 502, "<html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>", fault.Unavailable, "Bad Gateway"},
		{"nothing", 503, "", fault.Unavailable, "no reason given"},
		{"loading", 503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, fault.Unavailable, "Loading model"},
		{"text", 500, "CUDA out of memory", fault.Unavailable, "CUDA out of memory"},
		{"key", 401, `{"error":{"message":"Incorrect API key provided: s3cret"}}`, fault.Invalid, "[the key]"},
		{"too long for vllm", 400, `{"error":{"message":"This model's maximum context length is 4096 tokens. However, you requested 9000"}}`, fault.TooLarge, "CONTEXT_TOKENS"},
		{"too long for llama-server", 400, `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}`, fault.TooLarge, "CONTEXT_TOKENS"},
		{"redirect", 307, "", fault.Invalid, "OPENAI_BASE_URL"},
		{"embeddings off", 501, `{"error":{"code":501,"message":"This server does not support embeddings","type":"not_supported_error"}}`, fault.Invalid, "does not support"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &modeltest.Server{}
				s.Answer(func(modeltest.Request) modeltest.Reply { return modeltest.Refuse(c.status, c.body) })
				_, err := connect(t, s, model.Config{Key: func() (string, error) { return "s3cret", nil }}).Chat(t.Context(), hello(), nil)
				if !fault.Is(err, c.kind) || !strings.Contains(fault.Text(err), c.text) {
					t.Errorf("%s: %s", fault.KindOf(err), fault.Text(err))
				}
				if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "nil") || strings.Contains(err.Error(), "<") {
					t.Errorf("shows too much: %s", err)
				}
			})
		})
	}
}

func TestUnknownModelNamesTheOnesThereAre(t *testing.T) {
	for _, body := range []string{
		"{\"error\":{\"message\":\"The model `nope` does not exist.\",\"type\":\"NotFoundError\",\"code\":404}}",
		`{"error":{"message":"model \"nope\" not found, try pulling it first","type":"api_error"}}`,
	} {
		s := &modeltest.Server{Model: modeltest.Model{ID: "qwen2.5-7b"}}
		s.Script(modeltest.Refuse(404, body))
		c := connect(t, s, model.Config{Model: "nope"})
		_, err := c.Chat(t.Context(), hello(), nil)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "OPENAI_MODEL to a model that the server has: qwen2.5-7b") {
			t.Errorf("%v", fault.Text(err))
		}
		if err := c.Ready(t.Context()); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "qwen2.5-7b") {
			t.Errorf("ready: %v", err)
		}
	}
}

// Half an answer is never an answer: each of these ends a stream that go-openai reports as if complete,
// or loses what was wrong.
func TestBrokenStreams(t *testing.T) {
	const begin = `data: {"choices":[{"index":0,"delta":{"content":"half"},"finish_reason":null}]}`
	for _, c := range []struct {
		name  string
		reply modeltest.Reply
		text  string
	}{
		{"connection cut", modeltest.Reply{Text: "half", Cut: true}, "stopped in the middle"},
		{"ends without finish_reason", modeltest.Reply{Text: "half", Stop: true}, "stopped in the middle"},
		{"[DONE] without finish_reason", modeltest.Reply{Lines: []string{begin, "data: [DONE]"}}, "stopped in the middle"},
		{"error", modeltest.Reply{Lines: []string{begin, `data: {"error":{"message":"out of memory","code":500}}`, "data: [DONE]"}}, "out of memory"},
		{"flat error", modeltest.Reply{Lines: []string{begin, `data: {"object":"error","message":"out of memory","code":500}`}}, "out of memory"},
		{"error after a ping", modeltest.Reply{Lines: []string{begin, ": ping", `data: {"error":{"message":"out of memory"}}`}}, "out of memory"},
		{"error field", modeltest.Reply{Lines: []string{begin, `error: {"code":500,"message":"out of memory"}`}}, "out of memory"},
		{"aborted", modeltest.Reply{Lines: []string{begin, `data: {"choices":[{"delta":{},"finish_reason":"abort"}]}`}}, "aborted"},
		{"garbage", modeltest.Reply{Lines: []string{begin, "data: {\"choices\":[{"}}, "not an answer"},
		{"nothing at all", modeltest.Reply{Lines: []string{}}, "stopped in the middle"},
		{"garbage document", modeltest.Reply{Header: http.Header{"Content-Type": {"application/json"}}, Body: "{oops"}, "not an answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &modeltest.Server{}
				s.Answer(func(modeltest.Request) modeltest.Reply { return c.reply })
				client := connect(t, s, model.Config{})
				got, err := client.Chat(t.Context(), hello(), nil)
				if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Text(err), c.text) || got.Text != "" {
					t.Errorf("%q, %s", got.Text, fault.Text(err))
				}
				if n := len(s.Requests()); n != 3 {
					t.Errorf("%d attempts while nobody has heard anything, want 3", n)
				}
			})
		})
	}
}

func TestNoRetryOnceSomethingWasHeard(t *testing.T) {
	s := &modeltest.Server{}
	s.Script(modeltest.Reply{Text: "half", Cut: true})
	var h heard
	_, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), h.emit)
	if !fault.Is(err, fault.Unavailable) || len(s.Requests()) != 1 || h.text() != "half" {
		t.Fatalf("%v after %d requests, heard %q", err, len(s.Requests()), h.text())
	}
}

func TestCompleteAnswerSurvivesALostUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := `data: {"choices":[{"delta":{"content":"all"},"finish_reason":"stop"}]}`
		for _, reply := range []modeltest.Reply{{Lines: []string{done}}, {Lines: []string{done}, Cut: true}, {Lines: []string{done}, Stall: true}, {Lines: []string{done}, Ping: true}} {
			s := &modeltest.Server{}
			s.Script(reply)
			got, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), nil)
			if err != nil || got.Text != "all" {
				t.Errorf("%+v: %+v, %v", reply, got, err)
			}
		}
	})
}

func TestEndlessAnswers(t *testing.T) {
	s := &modeltest.Server{}
	s.Script(modeltest.Say(strings.Repeat("on and on ", 1000)))
	p := hello()
	p.MaxTokens = 50
	got, err := connect(t, s, model.Config{}).Chat(t.Context(), p, nil)
	if err != nil || got.Finish != "length" || len(got.Text) > 4000 {
		t.Errorf("max_tokens ignored: %d bytes, %q, %v", len(got.Text), got.Finish, err)
	}
	s.Script(modeltest.Reply{Body: "data: " + strings.Repeat("x", 2<<20)})
	if _, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), nil); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a line without end: %v", err)
	}
	s.Script(modeltest.Reply{Body: strings.Repeat(": ping\n", 3<<20)})
	if _, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), nil); !fault.Is(err, fault.TooLarge) {
		t.Errorf("pings without end: %v", err)
	}
}

func TestStalls(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply modeltest.Reply
		after time.Duration
	}{
		{"before headers", modeltest.Reply{Hang: true}, 20 * time.Second},
		{"between tokens", modeltest.Reply{Text: "half", Stall: true}, 7 * time.Second},
		{"pings only", modeltest.Reply{Text: "half", Ping: true}, 10 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &modeltest.Server{}
				s.Script(c.reply)
				conf := model.Config{First: 20 * time.Second, Idle: 7 * time.Second}
				if c.reply.Ping {
					conf.Idle = time.Minute
				}
				start := time.Now()
				_, err := connect(t, s, conf).Chat(t.Context(), hello(), nil)
				if !fault.Is(err, fault.Timeout) || time.Since(start) != c.after {
					t.Errorf("%v after %s", err, time.Since(start))
				}
				synctest.Wait()
				if s.Left() != 1 || len(s.Requests()) != 1 {
					t.Errorf("%d streams were closed, %d requests", s.Left(), len(s.Requests()))
				}
			})
		})
	}
}

func TestSlowIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &modeltest.Server{Pace: modeltest.Every(6 * time.Second)}
		s.Script(modeltest.Say("one two three four"))
		got, err := connect(t, s, model.Config{First: 7 * time.Second, Idle: 7 * time.Second}).Chat(t.Context(), hello(), nil)
		if err != nil || got.Text != "one two three four" {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func TestCancelClosesTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &modeltest.Server{}
		s.Script(modeltest.Reply{Text: "half", Stall: true})
		ctx, cancel := context.WithCancel(t.Context())
		_, err := connect(t, s, model.Config{}).Chat(ctx, hello(), func(string) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if s.Left() != 1 {
			t.Error("the server still computes")
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Script(modeltest.Reply{Hang: true})
		if _, err := connect(t, s, model.Config{}).Chat(ctx, hello(), nil); !fault.Is(err, fault.Timeout) {
			t.Errorf("the caller's deadline: %v", err)
		}
	})
}

func TestErrorOfEmitComesBack(t *testing.T) {
	s := &modeltest.Server{}
	full := errors.New("the log is full")
	for _, text := range []string{"long enough for some tokens", "<th"} { // the second is said only at the end
		s.Script(modeltest.Say(text))
		if _, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), func(string) error { return full }); err != full {
			t.Errorf("%v", err)
		}
	}
	if n := len(s.Requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestRetryAfter(t *testing.T) {
	busy := func(after string) modeltest.Reply {
		return modeltest.Reply{Status: 429, Body: `{"error":{"message":"slow down"}}`, Header: http.Header{"Retry-After": {after}}}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &modeltest.Server{}
		s.Script(busy("3"), busy(time.Now().Add(8*time.Second).UTC().Format(http.TimeFormat)))
		start := time.Now()
		if _, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), nil); err != nil || time.Since(start) != 8*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		s.Script(busy("60"))
		start = time.Now()
		_, err := connect(t, s, model.Config{}).Chat(t.Context(), hello(), nil)
		if !fault.Is(err, fault.Limited) || fault.After(err) != time.Minute || time.Since(start) != 0 {
			t.Errorf("%v, after %s, waited %s", err, fault.After(err), time.Since(start))
		}
	})
}

func TestServerThatIsDown(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	c, err := model.Connect(model.Config{BaseURL: dead.URL, Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Chat(t.Context(), hello(), nil); !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Text(err), "start the model server") {
		t.Errorf("%s", fault.Text(err))
	}
	if err := c.Ready(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("ready: %v", err)
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &modeltest.Server{}
		down := true
		s.Answer(func(modeltest.Request) modeltest.Reply {
			if down {
				return modeltest.Refuse(500, "down")
			}
			return modeltest.Say("up")
		})
		now := time.Now()
		c := connect(t, s, model.Config{Now: func() time.Time { return now }})
		for range 2 {
			if _, err := c.Chat(t.Context(), hello(), nil); !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
		}
		asked := len(s.Requests())
		_, err := c.Chat(t.Context(), hello(), nil)
		if asked != 5 || len(s.Requests()) != 5 || !fault.Is(err, fault.Unavailable) || fault.After(err) <= 0 {
			t.Fatalf("%d requests, then %d: %v", asked, len(s.Requests()), err)
		}
		down = false
		now = now.Add(fault.After(err))
		if _, err := c.Chat(t.Context(), hello(), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Chat(t.Context(), hello(), nil); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWebPageInsteadOfAnAPI(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<html>welcome</html>"))
	})
	c := connect(t, page, model.Config{Model: "m"})
	if _, err := c.Chat(t.Context(), hello(), nil); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "OPENAI_BASE_URL") {
		t.Errorf("chat: %s", fault.Text(err))
	}
	if err := c.Ready(t.Context()); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Text(err), "OPENAI_BASE_URL") {
		t.Errorf("ready: %s", fault.Text(err))
	}
}
