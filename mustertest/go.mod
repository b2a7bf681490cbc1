module github.com/musterdev/muster/mustertest

go 1.26.0

require (
	github.com/musterdev/muster v0.0.0
	github.com/musterdev/muster/drivers/sqlite v0.0.0
	github.com/musterdev/muster/platform v0.0.0
	google.golang.org/grpc v1.85.0
)

replace (
	github.com/musterdev/muster => ../
	github.com/musterdev/muster/drivers/otlp => ../drivers/otlp
	github.com/musterdev/muster/drivers/postgres => ../drivers/postgres
	github.com/musterdev/muster/drivers/sqlite => ../drivers/sqlite
	github.com/musterdev/muster/platform => ../platform
	github.com/musterdev/muster/shop => ../shop
)
