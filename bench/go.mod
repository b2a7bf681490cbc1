module github.com/musterdev/muster/bench

go 1.26.0
