package migrate

import (
	"strings"
	"unicode/utf8"
)

// statement is one SQL statement of a file, or one block of them.
type statement struct {
	sql  string
	line int // where it begins, 1 is the first
}

// script is what a file says.
type script struct {
	up, down      []statement
	hasDown       bool
	noTransaction bool
}

const hintLayout = "see https://github.com/pressly/goose#sql-migrations"

// parser reads a file line by line. The rules are goose's.
type parser struct {
	file    string
	out     script
	section *[]statement // where statements go; nil before the first annotation
	block   int          // line of the StatementBegin that is open; 0 when none is
	text    strings.Builder
	line    int // of the statement in text
}

func parse(file, content string) (script, error) {
	if !utf8.ValidString(content) {
		return script{}, wrong(file, 0, "save it as UTF-8", "the file is not text in UTF-8")
	}
	p := parser{file: file}
	content = strings.TrimPrefix(content, "\uFEFF") // some editors' byte order mark
	n := 0
	for line := range strings.Lines(content) {
		n++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		trimmed := strings.TrimSpace(line)
		var err error
		if strings.HasPrefix(trimmed, "--") && strings.Contains(trimmed, "+goose") {
			err = p.annotation(line, n)
		} else {
			err = p.sql(line, trimmed, n)
		}
		if err != nil {
			return script{}, err
		}
	}
	switch {
	case p.section == nil:
		return script{}, wrong(file, 0, hintLayout, `there is no line "-- +goose Up"`)
	case p.block > 0:
		return script{}, wrong(file, p.block, "close the block", `StatementBegin without "-- +goose StatementEnd"`)
	}
	return p.out, p.finished()
}

// annotation obeys a line "-- +goose ...".
func (p *parser) annotation(line string, n int) error {
	if line[0] == ' ' || line[0] == '\t' {
		return wrong(p.file, n, "move it to the beginning of the line", "the annotation is indented")
	}
	word := strings.TrimSpace(strings.Replace(strings.ReplaceAll(line, "--", ""), "+goose", "", 1))
	switch strings.ToUpper(word) {
	case "UP":
		if p.section != nil {
			return wrong(p.file, n, "keep one", `a second "-- +goose Up"`)
		}
		p.section = &p.out.up
	case "DOWN":
		if p.section != &p.out.up || p.block > 0 {
			return wrong(p.file, n, "put it once, behind the statements of Up", `"-- +goose Down" in the wrong place`)
		}
		if err := p.finished(); err != nil {
			return err
		}
		p.section, p.out.hasDown = &p.out.down, true
	case "STATEMENTBEGIN":
		if p.section == nil || p.block > 0 {
			return wrong(p.file, n, hintLayout, "StatementBegin outside Up and Down, or within a block")
		}
		if err := p.finished(); err != nil {
			return err
		}
		p.block = n
	case "STATEMENTEND":
		if p.block == 0 {
			return wrong(p.file, n, hintLayout, "StatementEnd without StatementBegin")
		}
		p.block = 0
		p.emit()
	case "NO TRANSACTION":
		p.out.noTransaction = true
	case "ENVSUB OFF":
	case "ENVSUB ON":
		return wrong(p.file, n, "write the values into the file", "environment variables in migrations are not supported, for the schema must not depend on where it is applied")
	default:
		return wrong(p.file, n, "known are Up, Down, StatementBegin, StatementEnd and NO TRANSACTION", "unknown annotation %q", word)
	}
	return nil
}

// sql takes a line of a statement.
func (p *parser) sql(line, trimmed string, n int) error {
	if p.text.Len() == 0 {
		if trimmed == "" || strings.HasPrefix(trimmed, "--") {
			return nil
		}
		if p.section == nil {
			return wrong(p.file, n, `put "-- +goose Up" before the first statement`, "SQL before the first annotation")
		}
		p.line = n
	}
	p.text.WriteString(line + "\n")
	if p.block == 0 && endsStatement(line) {
		p.emit()
	}
	return nil
}

func (p *parser) emit() {
	if s := strings.TrimSpace(p.text.String()); s != "" {
		*p.section = append(*p.section, statement{sql: s, line: p.line})
	}
	p.text.Reset()
}

// finished returns an error when a statement has begun and not ended.
func (p *parser) finished() error {
	if p.text.Len() == 0 {
		return nil
	}
	e := wrong(p.file, p.line, "end its last line with one", "the statement has no semicolon")
	e.Statement = p.text.String()
	return e
}

// endsStatement reports whether the last word before a comment ends with a semicolon.
func endsStatement(line string) bool {
	last := ""
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "--") {
			break
		}
		last = word
	}
	return strings.HasSuffix(last, ";")
}
