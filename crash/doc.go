// Package crash ends a process at a chosen input or output, so that what comes after it
// can be proven for every one of them: each SQL statement, each commit and rollback, each
// write to a network, once just before it and once just after.
//
// A [Plan] counts these boundaries. First it records a run in which nothing goes wrong;
// what it recorded is the denominator. Then, once for each boundary and side, the same run
// is repeated with a plan that crashes there.
//
//	plan := crash.New(crash.Kill)
//	db := sql.OpenDB(plan.Connector(connector))      // statements, commits, rollbacks
//	listener = plan.Listener(listener, "answer")     // writes of what is answered
//	dialer.DialContext = plan.Dial("call", dial)     // writes of what is asked of others
//	plan.Record()
//	...                                              // the run
//	for _, b := range plan.Recorded() { ... }        // "statement UPDATE orders #1", "commit #1", ...
//
// Package muster does the first four lines for a service: by the option muster.Crash in a
// test, by the variable MUSTER_CRASH in a process of its own (see [FromEnv]).
//
// # Names
//
// A boundary is named by its kind, by what it is about, and by the how many-th of these it
// is since counting began: "statement UPDATE muster_saga #3", "commit #2", "write call #4".
// Goroutines run in another order each time, so the 37th boundary of one run need not be
// that of another; the third UPDATE of a table most often is. What a run of its own accord
// does less often than the recorded one is not reached there: whoever prints a share says
// how many of the recorded boundaries were struck.
//
// # A crash
//
// With [Kill] the process gets SIGKILL from itself and nothing of it goes on. In a test
// that plays several processes in one, the plan cuts off instead what plays the process:
// from that boundary on no statement of it reaches its database and no byte of it reaches
// a network; its transactions are rolled back and its connections closed, which is what the
// kernel and the database do for a process that is gone. For everyone outside the two are
// the same. What is different is inside, where nobody is left to see it: the goroutines of
// a process that was cut off still run, and get errors.
package crash
