package search

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/page"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
	"github.com/musterdev/muster/shop/query"
)

// Product is a product as it is found.
type Product struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Category    string `json:"category"`
	Price       int64  `json:"price" doc:"The price of one piece in cents."`
	Description string `json:"description"`
	Free        int64  `json:"free" doc:"How many pieces are in stock."`
	Ordered     int64  `json:"ordered" doc:"How many confirmed orders it is in."`
}

// question is what can be asked.
type question struct {
	page.Query

	Text     string `query:"q" max:"100" doc:"Words that name, category or description have, in any order."`
	Position string `header:"Muster-Position" max:"1000" doc:"As another answer had it: what was written then is in this one."`
}

// list is what the found can be filtered and sorted by.
var list = page.Spec{
	Key:         "id",
	DefaultSort: "-ordered",
	Fields: []page.Field{
		{Name: "id", Filter: page.Equality, Sort: true},
		{Name: "name", Filter: page.Text, Sort: true},
		{Name: "category", Filter: page.Equality},
		{Name: "price", Kind: page.Int, Filter: page.Range, Sort: true, Doc: "In cents."},
		{Name: "free", Kind: page.Int, Filter: page.Range, Sort: true},
		{Name: "ordered", Kind: page.Int, Filter: page.Range, Sort: true},
	},
}

// patience is how long a question waits for what its asker has written.
const patience = 2 * time.Second

// finder answers questions. It is safe for concurrent use, by any number of replicas.
type finder struct {
	model    *projection.Projection
	patience time.Duration // with a position
}

func (f finder) find(ctx context.Context, q question) (found page.Page[Product], err error) {
	if q.Position != "" {
		if err := f.wait(ctx, q.Position); err != nil {
			return found, err
		}
	}
	err = f.model.Read(ctx, func(ctx context.Context, t tx.Tx, v projection.View) error {
		words, args := matching(q.Text)
		where, args := q.Where(args...)
		rows, err := query.All(ctx, t, func(p *Product) []any {
			return []any{&p.ID, &p.Name, &p.Category, &p.Price, &p.Description, &p.Free, &p.Ordered}
		}, `SELECT id, name, category, price, description, free, ordered FROM `+v.Name(products)+` WHERE `+words+` AND `+where+q.OrderBy()+q.Limit(), args...)
		if err == nil {
			found, err = page.Of(q.Query, rows)
		}
		return err
	})
	return found, err
}

// wait returns when the event that a client was told of is in what will be read.
func (f finder) wait(ctx context.Context, position string) error {
	token, err := projection.ParseToken(position)
	if err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, f.patience)
	defer cancel()
	if err := f.model.WaitFor(soon, token); err != nil {
		if soon.Err() != nil && ctx.Err() == nil {
			return problem.Wrap(err, problem.Unavailable, "search has not heard of %.80q yet", position).WithRetryAfter(time.Second)
		}
		return err
	}
	return nil
}

// matching is the condition that all words of a text are there, and its arguments. What
// catalog has not listed has no words and is left out.
func matching(text string) (string, []any) {
	condition, args := `words <> ''`, []any(nil)
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		args = append(args, "%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(word)+"%")
		condition += ` AND words LIKE ` + query.Mark(len(args)) + ` ESCAPE '\'`
	}
	return condition, args
}

// routes returns the REST API.
func routes(f finder, log *slog.Logger) *rest.API {
	api := rest.New(rest.Info{Title: "Search", Version: "1.0.0", Description: "Products as three services know them.", Log: log})
	rest.Get(api, "/v1/search", f.find, rest.Paged(list), rest.ID("search"),
		rest.Doc("Find products", "With price, stock and how often they were ordered, the most ordered first. It is a copy, most often some milliseconds old."),
		rest.Errors(problem.Unavailable))
	return api
}
