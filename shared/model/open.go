package model

import (
	"context"
	"net/url"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// Open returns the model that the settings name: OPENAI_BASE_URL with OPENAI_MODEL (by default the first
// model that the server has) and the secret openai-api-key, which is read anew on each call; without
// OPENAI_BASE_URL the built-in engine. OPENAI_EMBEDDING_MODEL names another model for Embed. Nothing is
// dialled: a model that is down now may be up at the first call, and Ready tells.
func Open(_ context.Context, env *fn.Env) (Model, error) {
	base := env.Setting("OPENAI_BASE_URL", "")
	if base == "" {
		return Builtin(), nil
	}
	return fn.Share(env, "model", func() (Model, error) {
		return Connect(Config{
			BaseURL: base, Model: env.Setting("OPENAI_MODEL", ""), Embedding: env.Setting("OPENAI_EMBEDDING_MODEL", ""),
			Key: func() (string, error) { return optional(env, "openai-api-key") }, Now: env.Now,
		})
	})
}

// optional returns a secret that may be missing: servers of one's own ask for no key.
func optional(env *fn.Env, name string) (string, error) {
	key, err := env.Secret(name)
	if fault.Is(err, fault.Unauthorized) {
		return "", nil
	}
	return key, err
}

// baseURL checks and normalises OPENAI_BASE_URL: no trailing slash, no endpoint, and /v1 where there is
// no path.
func baseURL(text string) (*url.URL, error) {
	wrong := fault.New(fault.Invalid, "want the address of an OpenAI-compatible API").
		At("OPENAI_BASE_URL").Try("OPENAI_BASE_URL=http://localhost:11434/v1")
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, wrong
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		wrong.Message = "an address with a password or a query is not taken"
		return nil, wrong.Try("put the key into the secret openai-api-key, or into OPENAI_API_KEY")
	}
	path := strings.TrimRight(u.Path, "/")
	path = strings.TrimSuffix(path, "/chat/completions")
	u.Path, u.RawPath = path, ""
	if path == "" {
		u.Path = "/v1"
	}
	return u, nil
}
