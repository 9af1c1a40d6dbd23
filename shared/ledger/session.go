package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Message is something to accept into a session. Key comes from outside (platform, account and native
// id): a message with a key that is known is not accepted twice. Event, if any, goes to the session's
// event log in the same transition.
type Message struct {
	Lane  Lane
	Key   string
	Body  []byte
	Event []byte
}

// Accepted says what became of a message. A duplicate has the number of the first one.
type Accepted struct {
	Seq       int64
	Duplicate bool
}

// Incoming is a message waiting in a session.
type Incoming struct {
	Seq  int64
	Body []byte
}

// Outgoing is something to deliver. Doubt: an earlier delivery of it has an unknown outcome. Dead: the
// message could not be answered; Body is then the message itself and the answer is an apology. Tries counts
// how often it was Undelivered.
type Outgoing struct {
	ID    string
	Body  []byte
	Doubt bool
	Dead  bool
	Tries int
}

// Accept stores a message durably and makes its session due. Limited means that the inbox is full, or that work
// is accepted faster than it is done; nothing was stored.
func (l *Ledger) Accept(ctx context.Context, m Message) (Accepted, error) {
	if len(m.Body) > MaxValue {
		return Accepted{}, fault.New(fault.TooLarge, "the message is over %d bytes", MaxValue)
	}
	box := l.box(m.Lane)
	var event []byte
	if len(m.Event) > 0 {
		event = box.Seal("ev", m.Event)
	}
	keys := []string{
		m.Lane.shared("d:" + l.vault.Blind("dedupe", string(m.Lane), m.Key)),
		m.Lane.key("in"), m.Lane.key("l"), m.Lane.shared("due"), m.Lane.key("ev"),
	}
	got, err := ints(l.run(ctx, l.scripts.accept, true, keys,
		string(m.Lane), box.Seal("in", m.Body), DedupeFor.Milliseconds(), maxInbox, event, maxEvents,
		maxLate.Milliseconds(), lateLanes))
	if err != nil {
		return Accepted{}, err
	}
	switch got[0] {
	case -1:
		return Accepted{}, fault.New(fault.Limited, "%d messages wait in this conversation already", maxInbox).In(5 * time.Second)
	case -2:
		return Accepted{}, fault.New(fault.Limited, "more is asked than is answered: what was accepted waits for over %v", maxLate).In(5 * time.Second)
	}
	return Accepted{Seq: got[1], Duplicate: got[0] == 0}, nil
}

// Step writes one line into the journal of the claim's work: seq of the inbox message, or 0 for a run.
// The same line again is fine; another line under the same key is a Conflict.
func (l *Ledger) Step(ctx context.Context, c Claim, seq int64, key string, body []byte) error {
	return l.step(ctx, c, seq, key, body, false, "")
}

// Intent is Step for the line that comes before an effect of user's: Forbidden when somebody said stop
// meanwhile, to the run, to the user or to everything.
func (l *Ledger) Intent(ctx context.Context, c Claim, user, key string, body []byte) error {
	return l.step(ctx, c, 0, key, body, true, user)
}

func (l *Ledger) step(ctx context.Context, c Claim, seq int64, key string, body []byte, unlessStopped bool, user string) error {
	if len(body) > MaxValue {
		return fault.New(fault.TooLarge, "a journal line is over %d bytes", MaxValue).At(key)
	}
	keys := []string{c.Lane.key("l"), journalKey(c.Lane, seq), c.Lane.shared("due"), c.Lane.shared("brake")}
	_, err := l.insist(ctx, c, l.scripts.step, true, keys, c.Owner, c.Epoch, string(c.Lane), Lease.Milliseconds(),
		key, l.digest(c.Lane, key, body), l.box(c.Lane).Seal("j/"+key, body), maxJournal, flag(unlessStopped), l.brakeOf(user))
	return err
}

// Finish is the end of an inbox message. All of it happens or none.
type Finish struct {
	Seq    int64
	Answer []byte   // the outbox entry; nil for no answer
	Turns  [][]byte // appended to the conversation
	Drop   int      // oldest turns to remove from it
	First  []byte   // then put in front of it, such as a summary of what was removed; may be nil
	Event  []byte   // for the event log; may be nil
	Run    *Spawn   // a run that starts with it; may be nil
}

// Spawn is a run to create.
type Spawn struct {
	Lane   Lane
	Header []byte
}

// Finish takes the message out of the inbox and puts its answer into the outbox. It reports whether the
// answer is the outbox's head, for this holder to deliver under the same claim; otherwise the claim is
// over. Forbidden means that a run was to start with it, and somebody said stop.
func (l *Ledger) Finish(ctx context.Context, c Claim, f Finish) (deliver bool, err error) {
	if len(f.Answer) > MaxValue {
		return false, fault.New(fault.TooLarge, "the answer is over %d bytes", MaxValue)
	}
	box := l.box(c.Lane)
	run, header := Lane(""), []byte(nil)
	if f.Run != nil {
		run, header = f.Run.Lane, l.box(f.Run.Lane).Seal("hdr", f.Run.Header)
	}
	keys := []string{
		c.Lane.key("l"), c.Lane.key("in"), c.Lane.key("out"), c.Lane.shared("due"), c.Lane.key("ctx"),
		journalKey(c.Lane, f.Seq), c.Lane.key("ev"), c.Lane.shared("l:" + string(run)), c.Lane.shared("runs"), c.Lane.shared("act"),
	}
	args := []any{
		c.Owner, c.Epoch, string(c.Lane), f.Seq, seal(box, "out", f.Answer), Lease.Milliseconds(), KeepIdle.Milliseconds(),
		f.Drop, seal(box, "ev", f.Event), maxEvents, string(run), header, maxRuns,
	}
	if f.First != nil {
		args = append(args, append([]byte("<"), box.Seal("ctx", f.First)...))
	}
	for _, turn := range f.Turns {
		args = append(args, append([]byte(">"), box.Seal("ctx", turn)...))
	}
	raw, err := l.insist(ctx, c, l.scripts.finish, true, keys, args...)
	if err != nil {
		return false, err
	}
	return raw.(int64) == 1, nil
}

// AnswerID is the outbox id of the answer to an inbox message.
func AnswerID(seq int64) string { return "m" + strconv.FormatInt(seq, 10) }

// Sent takes a delivered entry out of the outbox and gives the lane free. It reports whether more work
// waits there. With dead, the entry could not be delivered for good and is put aside.
func (l *Ledger) Sent(ctx context.Context, c Claim, id string, dead bool) (more bool, err error) {
	keys := []string{c.Lane.key("l"), c.Lane.key("in"), c.Lane.key("out"), c.Lane.shared("due"), c.Lane.shared("dlq")}
	raw, err := l.insist(ctx, c, l.scripts.sent, true, keys, c.Owner, c.Epoch, string(c.Lane), id, flag(dead))
	if err != nil {
		return false, err
	}
	return raw.(int64) == 3, nil
}

// Retry gives the lane free and makes it due again after a while.
func (l *Ledger) Retry(ctx context.Context, c Claim, after time.Duration) error {
	keys := []string{c.Lane.key("l"), c.Lane.shared("due")}
	return l.fenced(c)(l.run(ctx, l.scripts.retry, false, keys, c.Owner, c.Epoch, string(c.Lane), after.Milliseconds()))
}

// Undelivered is Retry for an outbox head that its platform did not take now. unsent says that it certainly did
// not arrive, so that the next delivery is not in doubt.
func (l *Ledger) Undelivered(ctx context.Context, c Claim, after time.Duration, unsent bool) error {
	keys := []string{c.Lane.key("l"), c.Lane.shared("due")}
	_, err := l.insist(ctx, c, l.scripts.undelivered, false, keys, c.Owner, c.Epoch, string(c.Lane), after.Milliseconds(), flag(unsent))
	return err
}

func journalKey(lane Lane, seq int64) string {
	if lane.IsRun() {
		return lane.key("j")
	}
	return lane.key("j") + ":" + strconv.FormatInt(seq, 10)
}

// digest recognises a journal line without telling what it says.
func (l *Ledger) digest(lane Lane, key string, body []byte) string {
	sum := sha256.Sum256(body)
	return l.vault.Blind("journal", string(lane), key, hex.EncodeToString(sum[:]))
}
