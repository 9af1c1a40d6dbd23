// Package policy decides, outside the model and at the moment of each effect, what a principal may do.
// It is pure: everything it needs comes in as a value.
package policy

import (
	"slices"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Role is a set of rights. Roles are ordered: each has all rights of the ones before it.
type Role string

// The roles, weakest first.
const (
	Guest    Role = "guest"    // an unknown sender: may talk, has no tools
	Member   Role = "member"   // may ask for effects, sees and undoes their own runs
	Operator Role = "operator" // may approve and stop for others
	Admin    Role = "admin"    // may deploy, read secrets' names, manage people
	Owner    Role = "owner"    // everything
)

var order = []Role{Guest, Member, Operator, Admin, Owner}

// Principal is who a call acts for: always the sender of the message or the owner of the task, never the
// session.
type Principal struct {
	User string `json:"user"` // the account; "" for a guest
	Role Role   `json:"role"`
	Via  string `json:"via,omitempty"` // how they were recognised: token, or platform/account/sender
}

// Action is something a principal does to a resource.
type Action string

// The actions, with the weakest role that may take each.
const (
	Talk    Action = "talk"
	Act     Action = "act"     // start a run
	See     Action = "see"     // look at a run, task or file of one's own
	Decide  Action = "decide"  // approve or deny a run of one's own
	Stop    Action = "stop"    // stop a run of one's own
	Undo    Action = "undo"    // undo a run of one's own
	Command Action = "command" // any of these for somebody else's
	StopAll Action = "stop_all"
	Manage  Action = "manage" // users, tokens, secrets, functions

	Resume    Action = "resume"     // let a user that was stopped begin again: more than stopping takes
	ResumeAll Action = "resume_all" // and everything
)

var needs = map[Action]Role{
	Talk: Guest, Act: Member, See: Member, Decide: Member, Stop: Member, Undo: Member,
	Command: Operator, StopAll: Operator, Manage: Admin, Resume: Operator, ResumeAll: Admin,
}

// May returns nil if p may take action on a resource that belongs to owner ("" for nobody's), and a
// Forbidden error that says what is missing otherwise. An unknown action or role is refused.
func May(p Principal, action Action, owner string) error {
	need, known := needs[action]
	if !known {
		return fault.New(fault.Forbidden, "unknown action %q", action)
	}
	if owner != "" && owner != p.User && rank(need) < rank(Operator) {
		need = Operator
	}
	if rank(p.Role) < rank(need) {
		return refusal(p, action, need)
	}
	return nil
}

func refusal(p Principal, action Action, need Role) error {
	err := fault.New(fault.Forbidden, "%s needs the role %s, and you have %s", action, need, p.Role)
	if p.Role == Guest {
		return err.Try("send the pairing code from a signed-in place: hearth pair CODE")
	}
	return err
}

func rank(r Role) int { return slices.Index(order, r) }

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return rank(r) >= 0 }

// Above reports whether r has more rights than other.
func (r Role) Above(other Role) bool { return rank(r) > rank(other) }
