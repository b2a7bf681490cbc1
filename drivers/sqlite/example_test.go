package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing/fstest"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/problem"
)

func ExampleDriver() {
	ctx := context.Background()
	db, err := sqlite.Driver.Open(ctx, "sqlite::memory:") // or sqlite:data/shop.db
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	var sum int
	err = db.QueryRowContext(ctx, `SELECT $1 + $2`, 40, 2).Scan(&sum)
	fmt.Println(sum, err)
	_, err = sqlite.Driver.Open(ctx, "sqlite:/no/such/folder/shop.db")
	fmt.Println(err)
	// Output:
	// 42 <nil>
	// sqlite: the folder of /no/such/folder/shop.db does not exist: create /no/such/folder, or name another file
}

// open returns a database with the tables of the examples.
func open(ctx context.Context) *sql.DB {
	db, err := sqlite.Driver.Open(ctx, "sqlite::memory:")
	if err == nil {
		err = errors.Join(idempotency.Migrate(ctx, db), migrate.Run(ctx, db, fstest.MapFS{"00001_account.sql": {Data: []byte(
			"-- +goose Up\nCREATE TABLE account (id TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0));\nINSERT INTO account VALUES ('ann', 100), ('bob', 0);\n")}}))
	}
	if err != nil {
		log.Fatal(err)
	}
	return db
}

func cents(ctx context.Context, db *sql.DB, id string) (n int) {
	if err := db.QueryRowContext(ctx, `SELECT cents FROM account WHERE id = $1`, id).Scan(&n); err != nil {
		log.Fatal(err)
	}
	return n
}

// A transaction is committed when its function returns nil.
func Example_transaction() {
	ctx := context.Background()
	db := open(ctx)
	defer db.Close()
	transfer := func(cents int) error {
		return tx.Do(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `UPDATE account SET cents = cents + $1 WHERE id = 'bob'`, cents); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `UPDATE account SET cents = cents - $1 WHERE id = 'ann'`, cents)
			return err
		})
	}
	fmt.Println(transfer(30), cents(ctx, db, "ann"), cents(ctx, db, "bob"))
	err := transfer(500)
	fmt.Println(tx.SQLState(err), cents(ctx, db, "ann"), cents(ctx, db, "bob"))
	// Output:
	// <nil> 70 30
	// 23514 70 30
}

// Migrations are applied once, and listed with what became of them.
func Example_migrations() {
	ctx := context.Background()
	db, err := sqlite.Driver.Open(ctx, "sqlite::memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	files := fstest.MapFS{ // an embed.FS in a service
		"00001_product.sql": {Data: []byte("-- +goose Up\nCREATE TABLE product (id TEXT PRIMARY KEY);\n-- +goose Down\nDROP TABLE product;\n")},
		"00002_price.sql":   {Data: []byte("-- +goose Up\nALTER TABLE produce\n  ADD COLUMN cents INTEGER;\n")},
	}
	fmt.Println(migrate.Run(ctx, db, files))
	all, err := migrate.Status(ctx, db, files)
	for _, m := range all {
		fmt.Println(m.File, m.Applied)
	}
	fmt.Println(err)
	// Output:
	// 00002_price.sql:2: SQL logic error: no such table: produce (1); in: ALTER TABLE produce ADD COLUMN cents INTEGER;
	// 00001_product.sql true
	// 00002_price.sql false
	// <nil>
}

// A repeated request gets the first one's answer, and its effect is not repeated.
func Example_idempotency() {
	ctx := context.Background()
	db := open(ctx)
	defer db.Close()
	deposit := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		balance, err := idempotency.Run(r.Context(), db, func(ctx context.Context, tx tx.Tx) (int, error) {
			var balance int
			err := tx.QueryRowContext(ctx, `UPDATE account SET cents = cents + 5 WHERE id = 'bob' RETURNING cents`).Scan(&balance)
			return balance, err
		})
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		fmt.Fprintln(w, "balance", balance)
	})
	api := idempotency.Middleware(deposit)
	for range 2 {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/deposits", strings.NewReader("5"))
		r.Header.Set("Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Printf("%d replayed=%q %s", w.Code, w.Header().Get("Idempotency-Replayed"), w.Body)
	}
	fmt.Println(cents(ctx, db, "bob"))
	// Output:
	// 200 replayed="" balance 5
	// 200 replayed="true" balance 5
	// 5
}

// An operation that asks others between two transactions is claimed by one attempt
// at a time.
func Example_claim() {
	ctx := context.Background()
	db := open(ctx)
	defer db.Close()
	checkout := func(ctx context.Context, reserve func(key string) error) (string, error) {
		claim, err := idempotency.Begin(ctx, db, func(context.Context, tx.Tx, *idempotency.Claim) error {
			return nil // insert the pending order, unless the claim is resumed
		})
		if err != nil {
			return "", err
		}
		var answer string
		if replayed, err := claim.Answer(&answer); replayed || err != nil {
			return answer, err
		}
		if err := reserve(claim.ID()); err != nil { // the key makes it safe to ask again
			return "", errors.Join(err, claim.Release(ctx))
		}
		return "confirmed", tx.Do(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
			return claim.Finish(ctx, tx, "confirmed")
		})
	}
	request := func() context.Context {
		return idempotency.WithRequest(ctx, idempotency.Request{Scope: "POST /orders", Key: "k1"})
	}
	fmt.Println(checkout(request(), func(string) error {
		_, err := checkout(request(), nil) // meanwhile, on another replica
		fmt.Println("meanwhile:", errors.Is(err, idempotency.ErrInFlight))
		return errors.New("inventory is away")
	}))
	fmt.Println(checkout(request(), func(string) error { return nil }))
	fmt.Println(checkout(request(), nil))
	// Output:
	// meanwhile: true
	//  inventory is away
	// confirmed <nil>
	// confirmed <nil>
}

// An existing handler as it stands: its whole answers are put on record.
func Example_handler() {
	ctx := context.Background()
	db := open(ctx)
	defer db.Close()
	orders := 0
	handler := idempotency.Handler(db, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		orders++
		w.Header().Set("Location", fmt.Sprint("/orders/", orders))
		w.WriteHeader(http.StatusCreated)
	}))
	for range 2 {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/orders", nil)
		r.Header.Set("Idempotency-Key", "k1")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Location"))
	}
	fmt.Println(orders)
	// Output:
	// 201 /orders/1
	// 201 /orders/1
	// 1
}
