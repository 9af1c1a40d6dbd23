package databaseexecute

import (
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/database/sqltext"
	"github.com/hearthfaas/hearth/shared/fault"
)

// change is a statement that changes rows of one table, cut into the parts that others are made of.
type change struct {
	*sqltext.Statement
	action string // insert, update or delete
	schema string // of the table, or ""
	name   string // of the table
	table  span   // the table's name in the statement
	target span   // the same with the alias
	where  int    // the token WHERE; the number of tokens if there is none
}

// span is the tokens from first up to but not including end.
type span struct{ first, end int }

// modifiers are words that stand where a table's name is expected and change what the statement does.
var modifiers = []string{"or", "only", "ignore", "low_priority", "high_priority", "delayed", "quick", "select", "set", "values"}

// systemSchemas hold what the database itself goes by.
var systemSchemas = []string{"pg_catalog", "information_schema", "mysql", "performance_schema", "sys", "temp"}

// parse returns the change that sql makes. It refuses what it cannot cut for certain.
func parse(sql string, d sqltext.Dialect) (change, error) {
	s, err := sqltext.Parse(sql, d)
	if err != nil {
		return change{}, err
	}
	c := change{Statement: s, action: s.Word(0), where: len(s.Tokens)}
	if err := c.checkStart(); err != nil {
		return c, err
	}
	if err := c.checkWords(); err != nil {
		return c, err
	}
	at := 1
	if c.action != "update" {
		if at = 2; s.Word(1) != map[string]string{"insert": "into", "delete": "from"}[c.action] {
			return c, c.unclear(1)
		}
	}
	if at, err = c.readTable(at); err != nil {
		return c, err
	}
	return c, c.readRest(at)
}

func (c *change) checkStart() error {
	switch c.action {
	case "insert", "update", "delete":
		return nil
	case "select", "values", "table", "show", "explain", "describe", "desc":
		return fault.New(fault.Invalid, "this statement changes nothing").At(c.At(0)).Try("use database_query")
	case "with":
		return fault.New(fault.Invalid, "begin with INSERT, UPDATE or DELETE; a WITH may stand in a subquery").At(c.At(0))
	}
	return fault.New(fault.Forbidden, "database_execute runs INSERT, UPDATE and DELETE, and not %s", c.Shown(0)).At(c.At(0))
}

// checkWords refuses what would change more than rows of one table that are known before: outside of brackets,
// and brackets must pair, because our own conditions are put around what stands there.
func (c *change) checkWords() error {
	depth := 0
	for i := range c.Tokens {
		switch {
		case c.Is(i, sqltext.Symbol, "("):
			depth++
		case c.Is(i, sqltext.Symbol, ")"):
			depth--
		}
		if depth < 0 || depth > 0 && i == len(c.Tokens)-1 {
			return fault.New(fault.Invalid, "a bracket without its pair").At(c.At(i))
		}
		if depth == 0 && c.tooMuch(i) {
			return fault.New(fault.Forbidden, "%s is not for a change that can be taken back", c.Shown(i)).
				At(c.At(i)).Try("change one table, with a WHERE that names the rows")
		}
	}
	return nil
}

func (c *change) tooMuch(i int) bool {
	word, next := c.Word(i), c.Word(i+1)
	if word == "returning" || c.action == "insert" && word == "on" && (next == "conflict" || next == "duplicate") {
		return true
	}
	if c.action == "insert" {
		return false
	}
	from := word == "from" && i != 1 && c.Word(i-1) != "distinct"
	return from || slices.Contains([]string{"using", "join", "order", "limit", "union"}, word)
}

// readTable reads the table's name and returns the token behind it.
func (c *change) readTable(at int) (int, error) {
	c.table.first = at
	var names []string
	for {
		name, ok := c.identifier(at)
		if !ok || slices.Contains(modifiers, c.Word(at)) {
			return at, c.unclear(at)
		}
		names = append(names, name)
		if at++; !c.Is(at, sqltext.Symbol, ".") {
			break
		}
		at++
	}
	c.table.end = at
	c.name = names[len(names)-1]
	if len(names) == 2 {
		c.schema = names[0]
	}
	low := strings.ToLower(c.name)
	system := strings.HasPrefix(low, "sqlite_") || strings.HasPrefix(low, "pg_") || low == recordTable
	if len(names) > 2 || system || slices.Contains(systemSchemas, strings.ToLower(c.schema)) {
		return at, fault.New(fault.Forbidden, "%s is not a table for people's rows", strings.Join(names, ".")).At(c.At(c.table.first))
	}
	return at, nil
}

// readRest finds the alias and the WHERE.
func (c *change) readRest(at int) error {
	c.target = span{c.table.first, at}
	if c.action == "insert" {
		return nil
	}
	if c.Word(at) == "as" {
		at++
	}
	if _, ok := c.identifier(at); ok && c.Word(at) != "set" && c.Word(at) != "where" {
		at++
	}
	c.target.end = at
	if c.action == "delete" && at == len(c.Tokens) {
		return nil
	}
	if begins := map[string]string{"update": "set", "delete": "where"}[c.action]; c.Word(at) != begins {
		return c.unclear(at)
	}
	depth := 0
	for i := at; i < len(c.Tokens); i++ {
		switch {
		case c.Is(i, sqltext.Symbol, "("):
			depth++
		case c.Is(i, sqltext.Symbol, ")"):
			depth--
		case depth == 0 && c.Word(i) == "where":
			c.where = i
			return nil
		}
	}
	return nil
}

// identifier returns the name that token i is. PostgreSQL folds bare words to lower case, and MySQL's tables are
// files, whose names keep theirs.
func (c *change) identifier(i int) (string, bool) {
	if i >= len(c.Tokens) {
		return "", false
	}
	t := c.Tokens[i]
	switch {
	case t.Kind == sqltext.Word && c.Dialect == sqltext.MySQL:
		return c.SQL[t.Pos:t.End], true
	case t.Kind == sqltext.Word, t.Kind == sqltext.Quoted:
		return t.Value, t.Value != ""
	default:
		return "", false
	}
}

func (c *change) unclear(i int) error {
	return fault.New(fault.Invalid, "want INSERT INTO table …, UPDATE table SET … or DELETE FROM table …, without words in between").At(c.At(i))
}

// writes is the table's name as database.Session wants it.
func (c *change) writes() string { return strings.ToLower(c.name) }

// condition is the statement's WHERE with room for ours behind it.
func (c *change) condition(args *[]any) string {
	if c.where == len(c.Tokens) {
		return " WHERE "
	}
	return " WHERE (" + c.Part(c.where+1, len(c.Tokens), args) + ") AND "
}
