// Package page is one convention for lists over HTTP: how many, from where, in
// which order, and which.
//
//	GET /v1/products?limit=20&sort=-price,name&brand=acme&price.gte=1000&name.prefix=tea
//	GET /v1/products?limit=20&sort=-price,name&brand=acme&price.gte=1000&name.prefix=tea&cursor=b3BhcXVl…
//
// limit bounds the page, sort names fields (with - descending), a field's name alone
// or with .ne .lt .lte .gt .gte .in .prefix filters, and cursor, taken from the
// answer before, goes on where that one ended. A [Spec] says what a list offers;
// [Parse] refuses everything else with one clear problem.
//
// Pages are found by the values of their last row (keyset), never by counting rows:
// page 1,000 costs what page 1 does, and rows that come and go meanwhile neither
// repeat nor hide others. The SQL is the same for SQLite and PostgreSQL.
package page
