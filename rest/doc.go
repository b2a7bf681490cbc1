// Package rest serves typed functions as an HTTP API that documents itself.
//
// A handler is func(ctx, In) (Out, error). The fields of In say by their tags where
// each comes from, the fields of Out what is answered; from both comes an OpenAPI
// 3.1 document, served under /openapi.json and to be browsed under /docs:
//
//	api := rest.New(rest.Info{Title: "Catalog", Version: "1.4.0"})
//	rest.Get(api, "/v1/products/{id}", s.product)
//	rest.Post(api, "/v1/products", s.create, rest.Status(http.StatusCreated))
//	if err := api.Err(); err != nil {
//		return err
//	}
//	http.ListenAndServe("127.0.0.1:8000", api)
//
// # In
//
//	type ChangeProduct struct {
//		ID      string   `path:"id"`
//		DryRun  bool     `query:"dry_run" doc:"Only say what would happen."`
//		IfMatch string   `header:"If-Match" required:"true"`
//		Name    string   `json:"name" required:"true" min:"1" max:"80"`
//		Price   int64    `json:"price" min:"0" doc:"In cents."`
//		Color   *string  `json:"color" enum:"red,green"`
//	}
//
// Fields with a json tag make up the body; one field with the tag body:"" is the
// whole body instead. Further tags: doc, required, min and max (of a number, of a
// text's characters, of a list's items), enum (by commas), default (path, query and
// header), format and example. A list in the query is given by repeating its name.
// A field of type [page.Query] takes a whole list's parameters, see [Paged].
//
// What does not keep to this is refused with an invalid_argument problem that names
// every fault: JSON of another type, an unknown name (with the nearest known one), a
// name given twice, a bound passed, text that is not UTF-8 or has a NUL. Nothing is
// converted silently. A body that is not JSON in UTF-8, or is compressed, is refused
// with 415; application/merge-patch+json is for PATCH.
//
// # Out
//
// Out is written as JSON; an Out without fields gives 204. Fields with the tags
// header:"Location" json:"-" become header fields. An Out with the method of
// [Tagger] gets an ETag, and a GET with a matching If-None-Match a 304. Errors are
// answered by package problem.
//
// Types, tags and paths are examined once, when a handler is registered. What is
// wrong with them is collected in [API.Err], and an API with errors serves nothing.
package rest
