// Package muster is the life of a service: configuration, database, servers,
// registration, probes, telemetry and a drain that loses nothing. Only main.go and
// run.go of a service import it; everything else speaks in the types of the
// standard library, gRPC and OpenTelemetry.
//
//	var Service = muster.Service{Name: "orders", Migrations: migrations, Run: run}
//
//	func main() { muster.Main(Service, muster.With(sqlite.Driver, postgres.Driver)) }
//
//	func run(ctx context.Context, app *muster.App) error {
//		db, err := app.DB()
//		if err != nil {
//			return err
//		}
//		app.Handle("/", routes(db, app.Client("catalog")))
//		return app.Serve(ctx)
//	}
//
// Events and sagas are three calls more: [App.Outbox] publishes what was written with
// a change, [App.On] handles the events of others, [App.Sagas] carries sagas on.
//
// A service is told what it needs by environment variables ([Settings] lists them),
// so that it runs alike under muster up, in a debugger, in a test and on Kubernetes.
package muster
