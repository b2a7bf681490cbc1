package tx

import "errors"

// SQLState returns the five characters of the SQLSTATE code (ISO/IEC 9075-2) of a
// database's error, "" when err carries none. PostgreSQL sends it; Muster's SQLite
// driver gives its own errors the same codes.
func SQLState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// IsUniqueViolation reports whether err says that a row with the same unique key
// exists (23505).
func IsUniqueViolation(err error) bool { return SQLState(err) == "23505" }

// IsForeignKeyViolation reports whether err says that a row refers to one that
// does not exist, or is referred to (23503).
func IsForeignKeyViolation(err error) bool { return SQLState(err) == "23503" }

// IsRetryable reports whether the same transaction, run once more from its
// beginning, may succeed: it failed only because of others that ran beside it
// (40001 serialization failure, 40P01 deadlock, 55P03 lock not available).
func IsRetryable(err error) bool {
	switch SQLState(err) {
	case "40001", "40P01", "55P03":
		return true
	}
	return false
}
