package mailbox

// Limit lets a test fill a mailbox with few messages.
func (s *Store) Limit(messages int) { s.max = messages }
