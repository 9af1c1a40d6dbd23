package model_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearthfaas/hearth/shared/model"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

// machine is what listens on the ports of a machine.
type machine map[string]http.Handler

func (m machine) RoundTrip(r *http.Request) (*http.Response, error) {
	handler, listening := m[r.URL.Host]
	if !listening {
		return nil, &http.MaxBytesError{} // any error does
	}
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		handler.ServeHTTP(rec, r)
	}()
	<-done
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

func server(runtime modeltest.Runtime, id string) http.Handler {
	return &modeltest.Server{Model: modeltest.Model{ID: id, Runtime: runtime}}
}

func TestProbe(t *testing.T) {
	web := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>hello</html>")) })
	likely := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"status":"ok","data":[{"id":"x"}]}`))
	})
	for _, c := range []struct {
		name string
		on   machine
		want []model.Found
	}{
		{"nothing", machine{}, []model.Found{}},
		{"all", machine{
			"127.0.0.1:11434": server(modeltest.Ollama, "qwen2.5:7b"), "127.0.0.1:8000": server(modeltest.VLLM, "qwen"),
			"127.0.0.1:9931": server(modeltest.LlamaServer, "a.gguf"), "127.0.0.1:8081": server(modeltest.LlamaServer, "b.gguf"),
		}, []model.Found{
			{Runtime: "Ollama", BaseURL: "http://127.0.0.1:11434/v1", Models: []string{"qwen2.5:7b"}},
			{Runtime: "vLLM", BaseURL: "http://127.0.0.1:8000/v1", Models: []string{"qwen"}},
			{Runtime: "llama-server", BaseURL: "http://127.0.0.1:9931/v1", Models: []string{"a.gguf"}},
			{Runtime: "llama-server", BaseURL: "http://127.0.0.1:8081/v1", Models: []string{"b.gguf"}},
		}},
		{"other things on those ports", machine{
			"127.0.0.1:8000": web, "127.0.0.1:9931": likely, "127.0.0.1:1234": http.NotFoundHandler(), "127.0.0.1:11434": server(modeltest.VLLM, "m"),
		}, []model.Found{}},
		{"a model that cannot talk", machine{"127.0.0.1:11434": server(modeltest.Ollama, "nomic-embed-text")}, []model.Found{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := model.ProbeThrough(t.Context(), c.on); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestProbeDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		start := time.Now()
		got := model.ProbeThrough(t.Context(), machine{"127.0.0.1:11434": silent, "127.0.0.1:8000": server(modeltest.VLLM, "m")})
		if len(got) != 1 || time.Since(start) > 300*time.Millisecond {
			t.Errorf("%+v after %s", got, time.Since(start))
		}
	})
}
