package record

// Verdict is what the judge found.
type Verdict struct {
	Messages   int            `json:"messages"`
	Answers    int            `json:"answers"`    // messages with their final answer
	Apologies  int            `json:"apologies"`  // of those, such that say that there is none
	Hushed     int            `json:"hushed"`     // of those, such that say that they were stopped
	Repeats    int            `json:"repeats"`    // further copies that say of themselves that they may be
	Lost       int            `json:"lost"`       // by a disk that lied
	Twice      int            `json:"twice"`      // as well, and unmarked
	Runs       int            `json:"runs"`       //
	Stops      int            `json:"stops"`      // of runs, as people were told
	Ends       map[string]int `json:"ends"`       // of runs, by their first words
	Effects    int            `json:"effects"`    // keys with an effect
	Undone     int            `json:"undone"`     // of those, taken back
	Calls      int            `json:"calls"`      // of the backend, carried out or not
	Waits      []int64        `json:"waits_ms"`   // sorted: from the acknowledgement, or the answer before, to the answer
	Outages    []int64        `json:"outages_ms"` // sorted: of the store
	Violations []Violation    `json:"violations"` //
}

// Violation is a broken invariant.
type Violation struct {
	Invariant string `json:"invariant"` // I1 to I4
	What      string `json:"what"`
}
