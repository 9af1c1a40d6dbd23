package model

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Found is a model server on this machine.
type Found struct {
	Runtime string   // Ollama, vLLM, llama-server, LM Studio
	BaseURL string   // for OPENAI_BASE_URL
	Models  []string // at least one
}

// place is where a runtime listens unless told otherwise.
type place struct{ runtime, host string }

// places are tried all at once; the first one that answers is preferred.
var places = []place{
	{"Ollama", "127.0.0.1:11434"},
	{"vLLM", "127.0.0.1:8000"},
	{"llama-server", "127.0.0.1:9931"},
	{"llama-server", "127.0.0.1:8081"},
	{"LM Studio", "127.0.0.1:1234"},
}

// owners are what runtimes call themselves in their lists of models.
var owners = map[string]string{"vllm": "vLLM", "llamacpp": "llama-server", "sglang": "SGLang"}

const (
	probeTime = 300 * time.Millisecond
	maxProbe  = 1 << 20 // bytes of an answer
)

// Probe looks for model servers at their usual places on this machine, for 300 ms, and returns those that
// answer as such a server does and have a model that can talk. It follows no redirect and only asks for
// lists.
func Probe(ctx context.Context) []Found {
	return probe(ctx, &http.Transport{Proxy: nil, DisableKeepAlives: true})
}

func probe(ctx context.Context, via http.RoundTripper) []Found {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	found := make([]Found, len(places))
	var wg sync.WaitGroup
	for i, p := range places {
		wg.Go(func() { found[i] = p.look(ctx, via) })
	}
	wg.Wait()
	return slices.DeleteFunc(found, func(f Found) bool { return len(f.Models) == 0 })
}

// look returns what is at a place. A server that is something else gives nothing.
func (p place) look(ctx context.Context, via http.RoundTripper) Found {
	var openai struct {
		Object string   `json:"object"`
		Data   []served `json:"data"`
	}
	if !fetch(ctx, via, "http://"+p.host+"/v1/models", &openai) || openai.Object != "list" {
		return Found{}
	}
	if p.runtime == "Ollama" {
		var tags struct {
			Models []struct {
				Name string `json:"name"`
			} `json:"models"`
		}
		if !fetch(ctx, via, "http://"+p.host+"/api/tags", &tags) || len(tags.Models) == 0 {
			return Found{}
		}
	}
	f := Found{Runtime: p.runtime, BaseURL: "http://" + p.host + "/v1"}
	for _, s := range openai.Data {
		if name, known := owners[s.Owner]; known {
			f.Runtime = name
		}
		if s.ID != "" && !speechless.MatchString(s.ID) {
			f.Models = append(f.Models, s.ID)
		}
	}
	return f
}

// fetch reports whether an address answers with JSON of this form.
func fetch(ctx context.Context, via http.RoundTripper, address string, into any) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	resp, err := via.RoundTrip(req)
	if err != nil {
		return false // nobody there, which is the usual case
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasSuffix(mediaType(resp), "json") {
		return false
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxProbe))
	return err == nil && json.Unmarshal(raw, into) == nil
}
