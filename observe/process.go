package observe

import (
	"context"
	"errors"
	"runtime/metrics"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// What is read of the Go runtime, in the order of readings.
var sources = [...]string{ //nolint:gochecknoglobals // a table
	"/memory/classes/heap/stacks:bytes", "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes",
	"/gc/heap/allocs:bytes", "/gc/heap/allocs:objects", "/gc/heap/goal:bytes", "/gc/cycles/total:gc-cycles",
	"/sched/goroutines:goroutines", "/sched/gomaxprocs:threads",
}

const (
	stacks = iota
	total
	released
	allocated
	allocations
	goal
	cycles
	goroutines
	processors
)

// watchProcess has a meter tell what the process uses: Go's memory, garbage collections and
// goroutines, its CPU time and resident memory (OpenTelemetry's semantic conventions for
// the Go runtime and for processes).
func watchProcess(meters metric.MeterProvider, began time.Time) error {
	m := meters.Meter(scope)
	var errs []error
	gauge := func(name, unit, what string) metric.Int64ObservableUpDownCounter {
		i, err := m.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return i
	}
	counter := func(name, unit, what string) metric.Int64ObservableCounter {
		i, err := m.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return i
	}
	used := gauge("go.memory.used", "By", "Memory used by the Go runtime.")
	goals := gauge("go.memory.gc.goal", "By", "Heap size target for the end of the garbage collection's cycle.")
	bytes := counter("go.memory.allocated", "By", "Memory allocated to the heap.")
	objects := counter("go.memory.allocations", "{allocation}", "Count of allocations to the heap.")
	collections := counter("go.gc.cycles", "{cycle}", "Garbage collections that have ended.")
	running := gauge("go.goroutine.count", "{goroutine}", "Count of live goroutines.")
	limit := gauge("go.processor.limit", "{thread}", "Threads that run Go code at the same time.")
	resident := gauge("process.memory.usage", "By", "Physical memory in use.")
	uptime, err := m.Float64ObservableGauge("process.uptime", metric.WithUnit("s"), metric.WithDescription("Time since the start."))
	errs = append(errs, err)
	cpu, err := m.Float64ObservableCounter("process.cpu.time", metric.WithUnit("s"), metric.WithDescription("CPU seconds by mode."))
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	samples := make([]metrics.Sample, len(sources))
	for i, name := range sources {
		samples[i].Name = name
	}
	value := func(i int) int64 {
		if samples[i].Value.Kind() != metrics.KindUint64 { // a runtime that has it no more
			return 0
		}
		return int64(samples[i].Value.Uint64()) //nolint:gosec // bytes and counts
	}
	kind := func(k string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("go.memory.type", k)))
	}
	mode := func(k string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("cpu.mode", k)))
	}
	stack, other, user, system := kind("stack"), kind("other"), mode("user"), mode("system")
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error { // never two at a time
		metrics.Read(samples)
		o.ObserveInt64(used, value(stacks), stack)
		o.ObserveInt64(used, value(total)-value(released)-value(stacks), other)
		o.ObserveInt64(goals, value(goal))
		o.ObserveInt64(bytes, value(allocated))
		o.ObserveInt64(objects, value(allocations))
		o.ObserveInt64(collections, value(cycles))
		o.ObserveInt64(running, value(goroutines))
		o.ObserveInt64(limit, value(processors))
		o.ObserveFloat64(uptime, time.Since(began).Seconds())
		if u, s, ok := cpuTime(); ok {
			o.ObserveFloat64(cpu, u.Seconds(), user)
			o.ObserveFloat64(cpu, s.Seconds(), system)
		}
		if n, ok := residentMemory(); ok {
			o.ObserveInt64(resident, n)
		}
		return nil
	}, used, goals, bytes, objects, collections, running, limit, uptime, cpu, resident)
	return err
}
