// Package channel is what all adapters share. An adapter says in pure functions how its platform proves,
// writes and answers; the pipelines here do the rest: they take in what arrives (prove it, find out who
// speaks, obey orders at once, accept everything else durably), deliver what the assistant says, and keep
// up the links of platforms that cannot call us.
package channel

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/message"
)

// Adapter is one platform. Its methods are safe for concurrent use, read the secrets of an account anew on
// each call, and reach no network.
type Adapter interface {
	// Caps says what the platform can do. It is always the same.
	Caps() Caps

	// Verify proves that r comes from the platform, looking at nothing but its raw bytes, and returns the
	// body, opened where the platform encrypts it. Any error refuses the request with 401. A missing or
	// blank secret is such an error. Comparisons take constant time.
	Verify(a Account, r Request) ([]byte, error)

	// Decode reads a proven request. What it does not know is no error but no event: the platform would
	// send it again. a.Self is known.
	Decode(a Account, r Request) (Batch, error)

	// Encode writes a message as the calls that deliver it, one per part, in order. The same message gives
	// the same calls, so that a delivery can go on where an earlier one stopped.
	Encode(a Account, out message.Outbound) ([]Call, error)

	// Classify says what the answer to a call means: the native id of what the call made, or an error of
	// the kind that tells the caller what to do. ErrMarkup and ErrGone ask for the call's other form.
	Classify(answer Answer) (id string, err error)
}

// Caps is what a platform can do. The suite in channeltest proves each claim.
type Caps struct {
	API     string       // the base URL; the setting <PLATFORM>_API_URL replaces it
	MaxText int          // of one part, as it is written for the platform
	Unit    message.Unit // of MaxText
	Buttons bool
	Edits   bool // an earlier message can be replaced
	Quotes  bool // a message can name the one it answers
	Threads bool
	Dedupes bool // the receiver knows a message that it got before by Outbound.Key: a repeat needs no mark
	Pace    func(to message.Address) Pace
}

// Pace is how often the platform lets us write to one conversation.
type Pace struct {
	Every time.Duration // between messages
	Burst int           // messages at once
	Draft time.Duration // between edits of an answer while it is written; 0: no drafts there
	Edits Rate          // of edits in all conversations of an account together, where the platform counts them so
}

// Rate is how often something may be done. The zero value is no limit.
type Rate struct {
	Every time.Duration
	Burst int // at once
}

// Request is a call of the platform, or of a link on its behalf.
type Request struct {
	Method string
	Query  url.Values
	Header http.Header
	Body   []byte
}

// Batch is what a request holds. A handshake is an Ack without events.
type Batch struct {
	Ack    Response
	Events []message.Inbound
}

// Response is what the platform wants to hear. The zero value is an empty 200.
type Response struct {
	Status int
	Type   string
	Body   []byte
}

// Call is a prepared request to the platform's API. Its path and body can hold secrets: it is never logged.
type Call struct {
	Method string // default POST
	Path   string // below the base URL
	Header http.Header
	Body   []byte
	ID     string // what the call is about, where the answer may not say it

	Plain *Call // the same without markup, for ErrMarkup
	Fresh *Call // the same as a new message, for ErrGone
}

// Answer is what the platform's API said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// What Classify says when another form of the call may succeed.
var (
	ErrMarkup = fault.New(fault.Invalid, "the platform does not accept the markup")
	ErrGone   = fault.New(fault.NotFound, "the message to be changed is gone")
)

// ErrClosed is what Classify says when the receiver wants nothing more at that address. For an hour, nothing
// else is sent there.
var ErrClosed = fault.New(fault.Forbidden, "the receiver wants no more messages")

// Introducer is an adapter that must know who it is on the platform to tell when it is addressed.
type Introducer interface {
	Introduce(a Account) (Call, error)
	Introduced(answer Answer) (message.Sender, error)
}

// Acknowledger is an adapter whose platform waits for a sign that a button worked. text may be shown
// with it for a moment.
type Acknowledger interface {
	Acknowledge(a Account, press message.Press, text string) (Call, error)
}

// Typer is an adapter whose platform can show that an answer is being written.
type Typer interface {
	Typing(a Account, to message.Address) (Call, error)
}

// Settler is an adapter whose API is where each account says.
type Settler interface {
	// Home returns the base URL of the account's API. The setting <PLATFORM>_API_URL replaces it.
	Home(a Account) (string, error)
}

// Signer is an adapter whose calls prove when they were made. A call is signed for each attempt, so that
// Encode gives the same calls at any time.
type Signer interface {
	Sign(a Account, c Call) (Call, error)
}

// Poller is an adapter whose platform can be asked for updates instead of calling us.
type Poller interface {
	// Token names the field of the secret that each account has.
	Token() string
	// Polls reports whether the account is set up to be polled.
	Polls(a Account) bool
	// Poll asks for the updates after cursor, "" for the oldest there is, and has the platform wait for
	// one as long as wait.
	Poll(a Account, cursor string, wait time.Duration) (Call, error)
	// Polled reads the answer. Conflict means that updates go elsewhere.
	Polled(answer Answer) ([]Update, error)
}

// Update is one polled update: the body that the webhook would have, and the cursor after it.
type Update struct {
	Body   json.RawMessage
	Cursor string
}

// Listener is an adapter whose platform can send what happens over connections that we open.
type Listener interface {
	// Token names the field of the secret that each account has.
	Token() string
	// Listens reports whether the account is set up for connections.
	Listens(a Account) bool
	// Connect asks the platform where to connect.
	Connect(a Account) (Call, error)
	// Listen connects to the address that answer holds. It gives bring the body that the webhook would have
	// of all that comes, in order, and tells the platform that it was taken only after bring returned nil.
	// Unlike all other methods it reaches the network. It returns nil when the platform wants a new
	// connection, and what ended the connection otherwise, after everything it started has ended.
	Listen(ctx context.Context, answer Answer, bring func(ctx context.Context, body json.RawMessage) error) error
}
