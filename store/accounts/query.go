// Package accounts reads attributes of users from the tables of django.contrib.auth: what the
// databases' packages share.
package accounts

import (
	"fmt"
	"strings"

	"cloakroom/session"
)

// Kind is how the text of a column is written in JSON.
type Kind uint8

// The kinds.
const (
	Text Kind = iota
	Number
	Bool
	UUID // 32 digits, which get dashes
)

// Dialect is how a database writes what SQL leaves open.
type Dialect struct {
	// Quote returns an identifier, Table a table's name with or without its schema.
	Quote, Table func(name string) string
	// Prefix returns an expression for the text of a column, no longer than n characters.
	Prefix func(column string, n int) string
	// List returns an expression for a JSON array of the texts that a query selects as v.
	List func(query string) string
}

// Query returns the expressions that select attributes of the row t of a table of accounts. Names
// of columns must be such; a relation must not be zero where the attribute of it is named.
func (d Dialect) Query(table session.UserTable, superuser bool, names []string) string {
	var expressions []string
	for _, name := range names {
		switch name {
		case session.AttributeGroups:
			expressions = append(expressions, d.List(d.groups(table)))
		case session.AttributePermissions:
			expressions = append(expressions, d.List(d.permissions(table, superuser)))
		default:
			expressions = append(expressions, d.Prefix("t."+d.Quote(name), session.MaxAttributeBytes+1))
		}
	}
	return strings.Join(expressions, ", ")
}

// limit is one more than the names that a list may have.
const limit = session.MaxAttributeNames + 1

func (d Dialect) groups(table session.UserTable) string {
	m := table.Groups
	return fmt.Sprintf("SELECT g.name AS v FROM auth_group AS g WHERE g.id IN (SELECT m.%s FROM %s AS m WHERE m.%s = t.%s) LIMIT %d",
		d.Quote(m.Other), d.Table(m.Table), d.Quote(m.User), d.Quote(table.ID), limit)
}

// permissions returns the query of what ModelBackend.get_all_permissions returns: nothing of a
// user who is not active, all permissions of a superuser, else the user's own and those of the
// user's groups.
func (d Dialect) permissions(table session.UserTable, superuser bool) string {
	active, all := "true", "false"
	if table.Active != "" {
		active = "coalesce(t." + d.Quote(table.Active) + ", false)"
	}
	if superuser {
		all = "coalesce(t." + d.Quote(superuserColumn) + ", false)"
	}
	id, own, in := "t."+d.Quote(table.ID), table.Permissions, table.Groups
	return fmt.Sprintf(`SELECT DISTINCT c.app_label || '.' || p.codename AS v FROM auth_permission AS p
	JOIN django_content_type AS c ON c.id = p.content_type_id
	WHERE %s AND (%s
		OR p.id IN (SELECT o.%s FROM %s AS o WHERE o.%s = %s)
		OR p.id IN (SELECT r.permission_id FROM auth_group_permissions AS r
			WHERE r.group_id IN (SELECT m.%s FROM %s AS m WHERE m.%s = %s))) LIMIT %d`,
		active, all, d.Quote(own.Other), d.Table(own.Table), d.Quote(own.User), id,
		d.Quote(in.Other), d.Table(in.Table), d.Quote(in.User), id, limit)
}

// superuserColumn is the column of the users who have all permissions.
const superuserColumn = "is_superuser"
