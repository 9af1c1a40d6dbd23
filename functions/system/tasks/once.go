package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/journal"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// keyHeader is where a client names its request, so that it may be repeated when the answer got lost
// (draft-ietf-httpapi-idempotency-key-header): a string of Structured Fields, in quotes.
const keyHeader = "Idempotency-Key"

// keyForm is such a string (RFC 9651, section 3.3.3).
var keyForm = regexp.MustCompile(`^"((?:[ !#-\[\]-~]|\\["\\])+)"$`)

// maxKey bounds a key, in characters.
const maxKey = 255

// once is a request for a run. With a key of its client, the run's name follows from user and key, so that it makes
// one run however often it is repeated. The key is known for as long as that run is.
type once struct {
	lane  ledger.Lane
	print string // what is asked for; "" without a key
}

// once reads a request for what, which stands for the path and its variables.
func (h *handler) once(r gateway.Request, what string) (once, error) {
	beside := h.ledger.TasksLane()
	key, err := keyOf(r.Header)
	if err != nil || key == "" {
		return once{lane: h.ledger.NewRun(beside)}, err
	}
	sum := sha256.Sum256([]byte(what + "\n" + string(r.Body)))
	return once{h.ledger.RunFor(beside, fmt.Sprintf("key %q %q", r.By.User, key)), hex.EncodeToString(sum[:])}, nil
}

func keyOf(header http.Header) (string, error) {
	values := header.Values(keyHeader)
	if len(values) == 0 {
		return "", nil
	}
	m := keyForm.FindStringSubmatch(strings.Trim(values[0], " "))
	key := ""
	if m != nil {
		key = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(m[1])
	}
	if len(values) > 1 || key == "" || len(key) > maxKey {
		return "", fault.New(fault.Invalid, "want one string of up to %d characters, in quotes", maxKey).At(keyHeader).
			Try(keyHeader + `: "8e03978e-40d5-43dd-bc93-6894a57f9324"`)
	}
	return key, nil
}

// start makes the run of a request, or returns the one that it made before.
func (h *handler) start(ctx context.Context, o once, prepare func(id string) (flow.Header, error)) (*flow.Run, error) {
	if run, err := h.made(ctx, o); err != nil || run != nil {
		return run, err
	}
	header, err := prepare(string(o.lane))
	if err != nil {
		return nil, err
	}
	header.Request = o.print
	created, err := h.spawn(ctx, o.lane, header)
	if err != nil {
		return nil, err
	}
	if !created { // by the same request, at the same moment
		return h.made(ctx, o)
	}
	return flow.Fold(header, nil), nil
}

// made returns the run that a request made before, nil when there is none.
func (h *handler) made(ctx context.Context, o once) (*flow.Run, error) {
	if o.print == "" {
		return nil, nil
	}
	run, err := journal.Load(ctx, h.ledger, o.lane)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case run.Request != o.print:
		return nil, fault.New(fault.Conflict, "the key stands for another request, which made the run %s", run.ID).At(keyHeader).
			Try("a new key for a new request")
	}
	return run, nil
}

// spawn puts a run into the ledger and rings for it. One that is there already stays as it is.
func (h *handler) spawn(ctx context.Context, lane ledger.Lane, header flow.Header) (created bool, err error) {
	if err := h.moving(ctx, header.User); err != nil {
		return false, err
	}
	raw, err := json.Marshal(header)
	if err != nil {
		return false, fault.As(fault.Internal, err, "the run %s", lane)
	}
	if created, err = h.ledger.Spawn(ctx, ledger.Spawn{Lane: lane, Header: raw}); err != nil {
		return false, err
	}
	return created, h.gateway.Ring(ctx, "planner-execute", string(lane))
}
