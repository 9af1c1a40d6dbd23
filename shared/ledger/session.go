package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
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

// Claim is the exclusive right to work on a lane until its lease ends. Owner and Epoch fence every write.
type Claim struct {
	Lane  Lane   `json:"lane"`
	Owner string `json:"owner"`
	Epoch int64  `json:"epoch"`
}

// Work is what a claim found: an outbox head to deliver, or else the inbox head of a session, or a run.
type Work struct {
	Claim
	Attempt int       // claims without progress, this one included
	Outbox  *Outgoing // deliver this first
	Inbox   *Incoming // sessions
	Header  []byte    // runs
	Stopped bool      // somebody said stop: to this run, or to this message
	Journal []Entry   // in the order written
	Turns   [][]byte  // sessions: the conversation so far, oldest first

	brakes map[string]string // as they were when it was claimed
	stops  int64             // said before it was claimed, as far as this process heard
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

// Entry is one line of a journal. It is written once and never changed.
type Entry struct {
	Key  string
	Body []byte
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

// NewOwner names a holder. Every claim attempt needs a new one: a repeat with the same owner returns the
// same claim.
func NewOwner() string { return fn.NewID()[:16] }

// Claim takes a lane that is due and returns its work, or nil when nothing is to be done or another
// holder is at it. A message that was claimed too often without progress is put aside as dead, and an
// apology takes its place in the outbox.
func (l *Ledger) Claim(ctx context.Context, lane Lane, owner string) (*Work, error) {
	stops := l.hub.stops()
	keys := []string{lane.shared("due"), lane.key("l"), lane.key("in"), lane.key("out"), lane.shared("brake")}
	raw, err := l.run(ctx, l.scripts.claim, false, keys,
		string(lane), owner, Lease.Milliseconds(), maxTries, lane.key("j"), lane.key("ctx"), lane.shared("dlq"), maxAway)
	if err != nil {
		return nil, err
	}
	got, ok := raw.([]any)
	if !ok || len(got) < 12 {
		return nil, nil
	}
	epoch, err := strconv.ParseInt(text(got[1]), 10, 64)
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the epoch of %s", lane)
	}
	w := &Work{Claim: Claim{lane, owner, epoch}, Stopped: text(got[7]) != "", brakes: pairs(texts(got[10])), stops: stops}
	if w.Attempt, err = strconv.Atoi(text(got[2])); err != nil {
		return nil, fault.As(fault.Internal, err, "the attempts at %s", lane)
	}
	if err := l.open(w, got); err != nil || w.Outbox == nil {
		return w, err
	}
	// That a delivery begins has to outlive this server: a repeat after a failover could not say that it is one.
	if err := l.extend(ctx, w.Claim, true); err != nil {
		return nil, err
	}
	return w, nil
}

// open unseals what a claim found.
func (l *Ledger) open(w *Work, got []any) (err error) {
	box := l.box(w.Lane)
	if out := text(got[4]); out != "" {
		id, rest, _ := strings.Cut(out, "|")
		kind, body, _ := strings.Cut(rest, "|")
		w.Outbox = &Outgoing{ID: id, Doubt: text(got[5]) == "1", Dead: kind == "D"}
		if w.Outbox.Tries, err = strconv.Atoi(text(got[11])); err != nil {
			return fault.As(fault.Internal, err, "the deliveries of %s", w.Lane)
		}
		field := "out"
		if w.Outbox.Dead {
			field = "in"
		}
		w.Outbox.Body, err = box.Open(field, []byte(body))
		return err
	}
	if in := text(got[3]); in != "" {
		seq, body, _ := strings.Cut(in, "|")
		w.Inbox = &Incoming{}
		if w.Inbox.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil {
			return fault.As(fault.Internal, err, "a sequence number of %s", w.Lane)
		}
		if w.Inbox.Body, err = box.Open("in", []byte(body)); err != nil {
			return err
		}
	}
	if header := text(got[6]); header != "" {
		if w.Header, err = box.Open("hdr", []byte(header)); err != nil {
			return err
		}
	}
	if w.Journal, err = l.openJournal(w.Lane, texts(got[8])); err != nil {
		return err
	}
	for _, turn := range texts(got[9]) {
		plain, err := box.Open("ctx", []byte(turn))
		if err != nil {
			return err
		}
		w.Turns = append(w.Turns, plain)
	}
	return nil
}

// Extend keeps a claim for another lease. Stale means that somebody else has the lane now.
func (l *Ledger) Extend(ctx context.Context, c Claim) error { return l.extend(ctx, c, false) }

func (l *Ledger) extend(ctx context.Context, c Claim, durable bool) error {
	keys := []string{c.Lane.key("l"), c.Lane.shared("due")}
	return l.fenced(c)(l.run(ctx, l.scripts.extend, durable, keys, c.Owner, c.Epoch, string(c.Lane), Lease.Milliseconds()))
}

// Hold extends a claim in the background while long work is under way. The context it returns ends, with
// the cause, when the claim is lost. The caller calls release before using the claim for the last time;
// release waits for the background work to end.
func (l *Ledger) Hold(ctx context.Context, c Claim) (held context.Context, release func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			if err := l.Extend(held, c); fault.Is(err, fault.Stale) {
				cancel(err)
				return
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-done
	}
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
	return l.fenced(c)(l.run(ctx, l.scripts.step, true, keys, c.Owner, c.Epoch, string(c.Lane), Lease.Milliseconds(),
		key, l.digest(c.Lane, key, body), l.box(c.Lane).Seal("j/"+key, body), maxJournal, flag(unlessStopped), l.brakeOf(user)))
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
// over.
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
	raw, err := l.run(ctx, l.scripts.finish, true, keys, args...)
	if err := l.fenced(c)(raw, err); err != nil {
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
	raw, err := l.run(ctx, l.scripts.sent, true, keys, c.Owner, c.Epoch, string(c.Lane), id, flag(dead))
	if err := l.fenced(c)(raw, err); err != nil {
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
	return l.fenced(c)(l.run(ctx, l.scripts.undelivered, false, keys, c.Owner, c.Epoch, string(c.Lane), after.Milliseconds(), flag(unsent)))
}

// fenced turns the negative answers of a script into errors.
func (l *Ledger) fenced(c Claim) func(any, error) error {
	return func(raw any, err error) error {
		if err != nil {
			return err
		}
		switch raw.(int64) {
		case -1:
			return fault.New(fault.Stale, "%s has another holder now", c.Lane)
		case -2:
			return fault.New(fault.Conflict, "another line stands in the journal of %s", c.Lane)
		case -3:
			return fault.New(fault.TooLarge, "the journal of %s is full", c.Lane)
		case -4:
			return fault.New(fault.Forbidden, "%s was stopped", c.Lane)
		}
		return nil
	}
}

func journalKey(lane Lane, seq int64) string {
	if lane.IsRun() {
		return lane.key("j")
	}
	return lane.key("j") + ":" + strconv.FormatInt(seq, 10)
}

// openJournal unseals field/value pairs of a journal and puts them in the order written.
func (l *Ledger) openJournal(lane Lane, pairs []string) ([]Entry, error) {
	box := l.box(lane)
	entries := make([]Entry, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		key := pairs[i]
		at, rest, _ := strings.Cut(pairs[i+1], "|")
		_, sealed, _ := strings.Cut(rest, "|")
		n, err := strconv.Atoi(at)
		if err != nil || n < 0 || n >= len(entries) {
			return nil, fault.New(fault.Internal, "the journal of %s is damaged at %s", lane, key)
		}
		body, err := box.Open("j/"+key, []byte(sealed))
		if err != nil {
			return nil, err
		}
		entries[n] = Entry{key, body}
	}
	return entries, nil
}

// digest recognises a journal line without telling what it says.
func (l *Ledger) digest(lane Lane, key string, body []byte) string {
	sum := sha256.Sum256(body)
	return l.vault.Blind("journal", string(lane), key, hex.EncodeToString(sum[:]))
}

// seal is Seal for what may be missing: nothing stays nothing.
func seal(box interface{ Seal(string, []byte) []byte }, field string, plain []byte) []byte {
	if plain == nil {
		return nil
	}
	return box.Seal(field, plain)
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		out = append(out, text(item))
	}
	return out
}

// pairs reads the fields of a hash.
func pairs(flat []string) map[string]string {
	if len(flat) == 0 {
		return nil
	}
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		fields[flat[i]] = flat[i+1]
	}
	return fields
}

// ints reads an array of integers, which Lua may give as numbers or text.
func ints(raw any, err error) ([]int64, error) {
	if err != nil {
		return nil, err
	}
	list, _ := raw.([]any)
	out := make([]int64, len(list))
	for i, item := range list {
		switch v := item.(type) {
		case int64:
			out[i] = v
		case string:
			if out[i], err = strconv.ParseInt(v, 10, 64); err != nil {
				return nil, fault.As(fault.Internal, err, "the store's answer")
			}
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Internal, "the store's answer is empty")
	}
	return out, nil
}
