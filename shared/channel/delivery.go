package channel

import "github.com/hearthfaas/hearth/shared/ledger"

// Delivery is the head of a session's outbox, handed on to planner-reply together with the claim.
type Delivery struct {
	Claim ledger.Claim `json:"claim"`
	ID    string       `json:"id"`
	Body  []byte       `json:"body"`            // a message.Outbound, or an Accepted when Dead
	Doubt bool         `json:"doubt,omitempty"` // an earlier delivery may have arrived
	Dead  bool         `json:"dead,omitempty"`  // the message could not be answered: apologise
	Tries int          `json:"tries,omitempty"` // how often the platform did not take it
}

// Delivered is what planner-reply says of it.
type Delivered struct {
	More bool `json:"more"` // the session has more work
}
