package couchtest

import "slices"

// security is a database's _security object: who may read and write (members)
// and who may also write design documents (admins).
type security struct {
	text            []byte // as it is shown
	admins, members party
}

// party are names and roles, either of which will do.
type party struct{ names, roles []string }

// newSecurity is that of a new database: for server administrators only.
func newSecurity() security {
	v, _ := decode([]byte(adminsOnly))
	return parseSecurity(&v)
}

const adminsOnly = `{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}`

func parseSecurity(v *value) security {
	s := security{text: v.appendJSON(nil)}
	admins, _ := v.get("admins")
	members, _ := v.get("members")
	s.admins = parseParty(&admins)
	s.members = parseParty(&members)
	return s
}

func parseParty(v *value) party {
	names, _ := v.get("names")
	roles, _ := v.get("roles")
	return party{names: names.texts(), roles: roles.texts()}
}

// texts are the strings of an array.
func (v *value) texts() []string {
	var texts []string
	for _, child := range v.children {
		if child.kind == '"' {
			texts = append(texts, child.text)
		}
	}
	return texts
}

func (p party) has(u UserContext) bool {
	if u.Name != "" && slices.Contains(p.names, u.Name) {
		return true
	}
	return slices.ContainsFunc(u.Roles, func(role string) bool { return slices.Contains(p.roles, role) })
}

// isAdmin reports whether u may write design documents and settings. The
// caller holds the lock.
func (db *DB) isAdmin(u UserContext) bool {
	return u.isServerAdmin() || db.security.admins.has(u)
}

// isMember reports whether u may read and write documents. The caller holds
// the lock.
func (db *DB) isMember(u UserContext) bool {
	members := db.security.members
	public := len(members.names) == 0 && len(members.roles) == 0
	return public || db.isAdmin(u) || members.has(u)
}

func (db *DB) admit(u UserContext) *apiError {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.isMember(u) {
		return nil
	}
	if u.Name == "" {
		return unauthorized("You are not authorized to access this db.")
	}
	return forbidden("You are not allowed to access this db.")
}

// adminOnly refuses everybody but the database's administrators.
func (c *call) adminOnly(db *DB) *apiError {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.isAdmin(c.user) {
		return nil
	}
	return c.user.refused("You are not a db or server admin.")
}

// serverAdminOnly refuses everybody but server administrators: with a 401, also
// who has logged in.
func (c *call) serverAdminOnly() *apiError {
	if c.user.isServerAdmin() {
		return nil
	}
	return unauthorized("You are not a server admin.")
}
