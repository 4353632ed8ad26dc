package ledger

// Disconnect cuts l off from its server, as if its process had died.
func Disconnect(l *Ledger) { l.conn.Close() }
