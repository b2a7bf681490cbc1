package diagnose

import "testing"

func TestShape(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "",
		"SELECT c1 FROM t2":                     "SELECT c1 FROM t2",
		"SELECT a FROM t WHERE id = 42":         "SELECT a FROM t WHERE id = ?",
		"SELECT a FROM t WHERE id = $1":         "SELECT a FROM t WHERE id = ?",
		"SELECT a FROM t WHERE id = ?":          "SELECT a FROM t WHERE id = ?",
		"WHERE p > 1.5 AND n = 'O''Neil'":       "WHERE p > ? AND n = ??",
		"WHERE id IN ($1, $2,$3)":               "WHERE id IN (?)",
		"WHERE id IN (?)":                       "WHERE id IN (?)",
		"VALUES ($1, $2), ($3, $4)":             "VALUES (?)",
		"VALUES (?, now())":                     "VALUES (?, now())",
		"http://catalog/v1/products/p-1572?n=3": "http://catalog/v1/products/p-??n=?",
	} {
		if got := shape(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
