package openapi

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const notPlain = "must be text in UTF-8 and without NUL"

// CheckPlain returns what is wrong with a text that is not UTF-8 or has a NUL, and ""
// when nothing is: PostgreSQL takes neither, and JSON cannot carry the first.
func CheckPlain(text string) string {
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return notPlain
	}
	return ""
}

// CheckText returns what is wrong with a text as a value of a scalar schema, such
// as a query parameter, and "" when nothing is.
func (s *Schema) CheckText(text string) string {
	switch {
	case s.is("integer"), s.is("number"):
		return s.checkNumber(text)
	case s.is("boolean"):
		if text != "true" && text != "false" {
			return "must be true or false"
		}
		return ""
	}
	return s.checkString(text)
}

func (s *Schema) checkNumber(text string) string {
	if s.is("integer") {
		if !s.fits(text) {
			return "must be " + s.words()
		}
	} else if f, err := strconv.ParseFloat(text, max(s.bits, 32)); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return "must be " + s.words()
	}
	if len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(v any) bool {
		n, ok := v.(json.Number)
		return ok && !less(n, json.Number(text)) && !less(json.Number(text), n)
	}) {
		return "must be one of " + s.choices()
	}
	if s.Minimum != "" && less(json.Number(text), s.Minimum) || s.Maximum != "" && less(s.Maximum, json.Number(text)) {
		return "must be " + s.words()
	}
	return ""
}

// fits reports whether a text is a whole number that the Go type holds.
func (s *Schema) fits(text string) bool {
	var err error
	if s.bits < 0 {
		_, err = strconv.ParseUint(text, 10, -s.bits)
	} else {
		_, err = strconv.ParseInt(text, 10, s.bits)
	}
	return err == nil
}

// less compares exactly where both are whole numbers that fit, else as floats.
func less(a, b json.Number) bool {
	x, errX := a.Int64()
	y, errY := b.Int64()
	if errX == nil && errY == nil {
		return x < y
	}
	ux, errX := strconv.ParseUint(string(a), 10, 64)
	uy, errY := strconv.ParseUint(string(b), 10, 64)
	if errX == nil && errY == nil {
		return ux < uy
	}
	f, _ := a.Float64()
	g, _ := b.Float64()
	return f < g
}

func (s *Schema) checkString(text string) string {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, any(text)) {
		return "must be one of " + s.choices()
	}
	if s.MinLength != nil || s.MaxLength != nil {
		if n := utf8.RuneCountInString(text); s.MinLength != nil && n < *s.MinLength || s.MaxLength != nil && n > *s.MaxLength {
			return fmt.Sprintf("must have %s, not %d", counted(s.MinLength, s.MaxLength, "character"), n)
		}
	}
	if s.accept != nil {
		if err := s.accept(text); err != nil {
			return err.Error()
		}
	}
	return ""
}

func (s *Schema) choices() string {
	var words []string
	for _, v := range s.Enum {
		if v != nil {
			words = append(words, fmt.Sprint(v))
		}
	}
	return strings.Join(words, ", ")
}

// words says what a value must be.
func (s *Schema) words() string {
	var words []string
	for _, t := range s.Type {
		word := article(t)
		switch t {
		case "integer":
			word = "a whole number" + s.span()
		case "number":
			word = "a number" + s.span()
		}
		words = append(words, word)
	}
	return strings.Join(words, " or ")
}

func (s *Schema) span() string {
	switch {
	case s.Minimum != "" && s.Maximum != "":
		return fmt.Sprintf(" from %s to %s", s.Minimum, s.Maximum)
	case s.Minimum != "" && s.bits < 0 && s.bits > -64:
		return fmt.Sprintf(" from %s to %d", s.Minimum, uint64(1)<<-s.bits-1)
	case s.Minimum != "":
		return fmt.Sprintf(" of at least %s", s.Minimum)
	case s.Maximum != "":
		return fmt.Sprintf(" of at most %s", s.Maximum)
	case s.bits > 0 && s.bits < 64:
		return fmt.Sprintf(" of at most %d bits", s.bits)
	}
	return ""
}

func article(t string) string {
	switch t {
	case "null":
		return "null"
	case "string":
		return "text"
	case "boolean":
		return "true or false"
	case "array", "object", "integer":
		return "an " + t
	}
	return "a " + t
}

func counted(low, high *int, what string) string {
	plural := func(n int) string {
		if n == 1 {
			return what
		}
		return what + "s"
	}
	switch {
	case low != nil && high != nil && *low == *high:
		return fmt.Sprintf("exactly %d %s", *low, plural(*low))
	case low != nil && high != nil:
		return fmt.Sprintf("%d to %d %s", *low, *high, plural(*high))
	case low != nil:
		return fmt.Sprintf("at least %d %s", *low, plural(*low))
	}
	return fmt.Sprintf("at most %d %s", *high, plural(*high))
}

// CheckCount returns what is wrong with an array of n items, "" when nothing is.
func (s *Schema) CheckCount(n int) string {
	if s.MinItems != nil && n < *s.MinItems || s.MaxItems != nil && n > *s.MaxItems {
		return fmt.Sprintf("must have %s, not %d", counted(s.MinItems, s.MaxItems, "item"), n)
	}
	return ""
}

// Number returns a whole number for Minimum and Maximum.
func Number(n int) json.Number { return json.Number(strconv.Itoa(n)) }
