// Package storm shows what becomes of a chain of services that gets less able, or gets
// more to do, for a while: whether they go on doing what is physically possible, the most
// important first, and are well again at once, or whether a brown-out of ten seconds
// becomes an outage that stays.
package storm
