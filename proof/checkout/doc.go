// Package checkout proves, by its tests, that the shop's checkout survives a crash of any
// of its services at any moment: at every SQL statement, commit, rollback and network write
// that a checkout in which nothing goes wrong was recorded to make, once just before it and
// once just after, on SQLite with NATS and on PostgreSQL with RabbitMQ.
//
// Each service runs as a process of its own does, by a muster.Run with a crash.Plan. That
// plan cuts off what crashes: no statement of it reaches its database any more and no byte
// of it a network, what was uncommitted is rolled back, its connections and listeners are
// closed. That is all that a SIGKILL is for everyone outside: the kernel closes what the
// process had open, and the database rolls back what it had not committed. Then the service
// is started anew on the same database and ports, as a supervisor does.
//
// One thing is not waited for: the leases that the dead leave behind, four seconds each.
// The tests move them into the past by SQL (and have the broker's redelivery come at once)
// between the end of the one process and the start of the other; how long a takeover takes
// in truth is measured on real processes.
package checkout
