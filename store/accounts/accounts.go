package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"cloakroom/session"
)

// ErrChanged says that a query names what the database does not have, or does not show.
var ErrChanged = errors.New("a table or a column of the accounts is not there")

// Reader reads attributes from one table of accounts. Make it with its exported fields set. It is
// safe for concurrent use.
type Reader struct {
	Dialect Dialect
	Table   session.UserTable
	// Columns returns the columns that can be read of the table, by name.
	Columns func(ctx context.Context) (map[string]Kind, error)
	// Works reports whether a query can be prepared: its tables and columns are there, and may be
	// read. An error says that it is not known.
	Works func(ctx context.Context, query string) (bool, error)
	// Select runs a query of one row by an account's id: the account, then texts, nil for NULL.
	// The expressions follow the account's own columns. Errors may wrap ErrChanged.
	Select func(ctx context.Context, id, expressions string, n int) (session.User, []*string, error)

	mu   sync.Mutex
	last found
}

// readAgain is how long what the database has is taken to be as it was where a name is not among
// it: a column may be added while the service runs.
const readAgain = 10 * time.Second

// found is what the database has.
type found struct {
	kinds map[string]Kind // of columns
	lists map[string]bool // those that work
	at    time.Time       // when it was read; zero: not yet
}

func (f found) has(name string) bool {
	_, column := f.kinds[name]
	return column || f.lists[name]
}

func (f found) hasAll(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !f.has(name) })
}

// current returns what the database has, read anew where a name is missing and the last time is a
// while ago.
func (r *Reader) current(ctx context.Context, names []string) (found, error) {
	r.mu.Lock()
	f := r.last
	read := f.at.IsZero() || (!f.hasAll(names) && time.Since(f.at) >= readAgain)
	if read && !f.at.IsZero() {
		r.last.at = time.Now() // one call reads it
	}
	r.mu.Unlock()
	if !read {
		return f, nil
	}
	return r.describe(ctx)
}

// describe reads what the database has.
func (r *Reader) describe(ctx context.Context) (found, error) {
	kinds, err := r.Columns(ctx)
	if err != nil {
		return found{}, err
	}
	f := found{map[string]Kind{}, map[string]bool{}, time.Now()}
	for name, kind := range kinds {
		// A column that a list's attribute is called by is hidden by that. The hash of the
		// password is no attribute, however SQLite writes the column's name.
		if name != session.AttributeGroups && name != session.AttributePermissions && !strings.EqualFold(name, r.Table.Password) {
			f.kinds[name] = kind
		}
	}
	for name, relations := range map[string][]session.Relation{
		session.AttributeGroups: {r.Table.Groups}, session.AttributePermissions: {r.Table.Groups, r.Table.Permissions},
	} {
		if slices.Contains(relations, session.Relation{}) {
			continue
		}
		query := "SELECT " + r.query(f, []string{name}) + " FROM " + r.Dialect.Table(r.Table.Name) + " AS t LIMIT 0"
		if f.lists[name], err = r.Works(ctx, query); err != nil {
			return found{}, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = f
	return f, nil
}

func (r *Reader) query(f found, names []string) string {
	_, superuser := f.kinds[superuserColumn]
	return r.Dialect.Query(r.Table, superuser, names)
}

// Lacking implements session.AttributedUsers.
func (r *Reader) Lacking(ctx context.Context, names []string) (lacking []string, err error) {
	f, err := r.current(ctx, names)
	for _, name := range names {
		if !f.has(name) {
			lacking = append(lacking, name)
		}
	}
	return lacking, err
}

// UserWith implements session.AttributedUsers.
func (r *Reader) UserWith(ctx context.Context, id string, names []string) (session.User, []session.Attribute, error) {
	f, err := r.current(ctx, names)
	if err != nil {
		return session.User{}, nil, err
	}
	user, attributes, err := r.userWith(ctx, f, id, names)
	if !errors.Is(err, ErrChanged) {
		return user, attributes, err
	}
	if f, err = r.describe(ctx); err != nil {
		return session.User{}, nil, err
	}
	return r.userWith(ctx, f, id, names)
}

func (r *Reader) userWith(ctx context.Context, f found, id string, names []string) (session.User, []session.Attribute, error) {
	var known []string
	for _, name := range names {
		if f.has(name) {
			known = append(known, name)
		}
	}
	user, texts, err := r.Select(ctx, id, r.query(f, known), len(known))
	if err != nil {
		return session.User{}, nil, err
	}
	attributes := make([]session.Attribute, len(names))
	for i, name := range names {
		a := &attributes[i]
		if a.Name, a.Unknown = name, !f.has(name); a.Unknown {
			continue
		}
		text := texts[0]
		texts = texts[1:]
		if f.lists[name] {
			a.Value, a.Omitted = listOf(text)
		} else {
			a.Value, a.Omitted = valueOf(f.kinds[name], text)
		}
	}
	return user, attributes, nil
}

// listOf returns a JSON array of texts, sorted, in the form that Go writes.
func listOf(text *string) (value string, omitted bool) {
	list := []string{}
	if text != nil {
		if err := json.Unmarshal([]byte(*text), &list); err != nil {
			return "", true
		}
	}
	if len(list) > session.MaxAttributeNames {
		return "", true
	}
	slices.Sort(list)
	return encoded(list), false
}

// valueOf returns a column's text in JSON.
func valueOf(kind Kind, text *string) (value string, omitted bool) {
	switch {
	case text == nil:
		return "null", false
	case len(*text) > session.MaxAttributeBytes:
		return "", true
	case kind == Bool && (*text == "1" || *text == "true"):
		return "true", false
	case kind == Bool && (*text == "0" || *text == "false"):
		return "false", false
	case kind == Number && isNumber(*text):
		return *text, false
	case kind == UUID && len(*text) == 32:
		return encoded(WithDashes(*text)), false
	}
	return encoded(*text), false
}

// isNumber reports whether a text is a number of JSON: a float's may be Infinity.
func isNumber(text string) bool {
	var number json.Number
	return text != "" && text[0] != '"' && json.Unmarshal([]byte(text), &number) == nil && number.String() == text
}

func encoded(v any) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // texts can be encoded
	return strings.TrimSuffix(out.String(), "\n")
}

// WithDashes returns 32 digits as a UUID's text (RFC 9562 section 4), which is Django's in sessions.
func WithDashes(digits string) string {
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}
