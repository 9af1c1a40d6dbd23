package channel

import (
	"context"
	"net/http"
	"sync"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/vault"
)

// linkName is the caller that may bring updates in place of the platform.
const linkName = "link"

// Define makes the function adapter-<platform> of an adapter: the platform's webhook at / (another account
// at /<account>), and for calls signed by the bundle /_/send and /_/draft.
func Define(platform string, open func(env *fn.Env) (Adapter, error)) fn.Function {
	name := "adapter-" + platform
	return fn.Function{Name: name, New: func(ctx context.Context, env *fn.Env) (http.Handler, error) {
		adapter, err := open(env)
		if err != nil {
			return nil, err
		}
		f, err := newFunction(ctx, env, platform, adapter)
		if err != nil {
			return nil, err
		}
		f.mux.Handle("POST /_/send", gateway.Signed(env, name, fn.JSON(f.send)))
		f.mux.Handle("POST /_/draft", gateway.Signed(env, name, fn.JSON(f.draft)))
		f.mux.HandleFunc("/", f.receive)
		return f, nil
	}}
}

// function is an adapter at work.
type function struct {
	env      *fn.Env
	platform string
	adapter  Adapter
	intake   *Intake
	sender   *sender
	mux      *http.ServeMux

	mu   sync.Mutex
	self map[string]message.Sender // by the call that asked
}

func newFunction(ctx context.Context, env *fn.Env, platform string, adapter Adapter) (*function, error) {
	p, err := openAPI(env)
	if err != nil {
		return nil, err
	}
	f := &function{env: env, platform: platform, adapter: adapter, mux: http.NewServeMux(), self: map[string]message.Sender{}}
	f.intake, err = NewIntake(ctx, env, f.name(), func(ctx context.Context, out message.Outbound) error {
		_, err := f.sender.send(ctx, out)
		return err
	})
	if err != nil {
		return nil, err
	}
	f.sender = &sender{env: env, adapter: adapter, ledger: f.intake.ledger, api: p, pace: newPacer()}
	return f, nil
}

func (f *function) name() string { return "adapter-" + f.platform }

// ServeHTTP serves the function.
func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

func (f *function) send(ctx context.Context, out message.Outbound) (message.Receipt, error) {
	if err := f.ours(out.Address); err != nil {
		return message.Receipt{}, err
	}
	return f.sender.send(ctx, out)
}

func (f *function) draft(ctx context.Context, d Draft) (Drafted, error) {
	if err := f.ours(d.Address); err != nil {
		return Drafted{}, err
	}
	return f.sender.draft(ctx, d)
}

// ours refuses an address of another platform or without a conversation.
func (f *function) ours(a message.Address) error {
	switch {
	case a.Platform != f.platform:
		return fault.New(fault.Invalid, "this is %s, the message is for %q", f.platform, a.Platform).At("address.platform")
	case a.Account != "" && !accountName.MatchString(a.Account):
		return fault.New(fault.Invalid, "not an account's name").At("address.account")
	case a.Chat == "":
		return fault.New(fault.Invalid, "no conversation").At("address.chat")
	}
	return nil
}

// receive is the webhook: limit (by the host), verify, decode, take in, acknowledge. The platform hears
// success only after everything in the request is durable.
func (f *function) receive(w http.ResponseWriter, r *http.Request) {
	batch, err := f.take(r)
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	if batch.Ack.Type != "" {
		w.Header().Set("Content-Type", batch.Ack.Type)
	}
	if batch.Ack.Status != 0 {
		w.WriteHeader(batch.Ack.Status)
	}
	// The platform may be gone; it will send the request again.
	_, _ = w.Write(batch.Ack.Body)
}

func (f *function) take(r *http.Request) (Batch, error) {
	name, err := accountOf(r.URL.Path)
	if err != nil {
		return Batch{}, err
	}
	body, err := fn.ReadBody(r)
	if err != nil {
		return Batch{}, err
	}
	a := NewAccount(f.env, f.platform, name)
	req := Request{Method: r.Method, Query: r.URL.Query(), Header: r.Header, Body: body}
	if req.Body, err = f.verify(r.Context(), a, req); err != nil {
		return Batch{}, err
	}
	if a.Self, err = f.introduce(r.Context(), a); err != nil {
		return Batch{}, err
	}
	batch, err := f.adapter.Decode(a, req)
	if err != nil {
		return Batch{}, err
	}
	for _, in := range batch.Events {
		if err := f.takeOne(r.Context(), a, in); err != nil {
			return Batch{}, err
		}
	}
	return batch, nil
}

// takeOne takes one event in, and meanwhile tells the platform that its button works.
func (f *function) takeOne(ctx context.Context, a Account, in message.Inbound) error {
	var acknowledged sync.WaitGroup
	defer acknowledged.Wait()
	if in.Action != nil {
		acknowledged.Go(func() { f.acknowledge(ctx, a, *in.Action) })
	}
	_, err := f.intake.Take(ctx, in)
	return err
}

// verify returns the body of a request that comes from the platform or from our link. Why it does not is
// for the log: whoever forges requests learns nothing.
func (f *function) verify(ctx context.Context, a Account, req Request) ([]byte, error) {
	header := req.Header.Get(vault.CallHeader)
	if header == "" {
		body, err := f.adapter.Verify(a, req)
		if err == nil {
			return body, nil
		}
		fn.Logger(ctx, f.env.Log).Warn("refused a request", "platform", f.platform, "account", a.Name, "err", err)
		return nil, fault.New(fault.Unauthorized, "this request does not come from %s", f.platform)
	}
	call, err := f.intake.vault.Verify(header, f.name(), req.Body, f.env.Now())
	if err == nil && call.From != linkName {
		err = fault.New(fault.Forbidden, "only a link brings updates, not %s", call.From)
	}
	return req.Body, err
}

// introduce returns who we are on the platform, asked once for each set of credentials.
func (f *function) introduce(ctx context.Context, a Account) (message.Sender, error) {
	introducer, ok := f.adapter.(Introducer)
	if !ok {
		return message.Sender{}, nil
	}
	call, err := introducer.Introduce(a)
	if err != nil {
		return message.Sender{}, fault.As(fault.Unavailable, err, "we do not know who we are on %s", f.platform)
	}
	asked := a.Name + call.Path + call.Header.Get("Authorization") + string(call.Body)
	f.mu.Lock()
	self, ok := f.self[asked]
	f.mu.Unlock()
	if ok {
		return self, nil
	}
	base, err := a.base(f.adapter)
	if err != nil {
		return message.Sender{}, err
	}
	answer, err := f.sender.api.do(ctx, base, call, callTimeout)
	if err != nil {
		return message.Sender{}, fault.As(fault.Unavailable, err, "cannot ask %s who we are", f.platform)
	}
	if self, err = introducer.Introduced(answer); err != nil {
		return message.Sender{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.self[asked] = self
	return self, nil
}

// acknowledge tells the platform that a button worked. Without it the button only looks busy for a while.
func (f *function) acknowledge(ctx context.Context, a Account, press message.Press) {
	acknowledger, ok := f.adapter.(Acknowledger)
	if !ok {
		return
	}
	call, err := acknowledger.Acknowledge(a, press, "")
	if err == nil {
		_, err = f.sender.attempt(ctx, a, call)
	}
	if err != nil {
		fn.Logger(ctx, f.env.Log).Warn("cannot acknowledge a button", "platform", f.platform, "err", err)
	}
}
