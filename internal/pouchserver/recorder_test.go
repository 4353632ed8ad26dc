package pouchserver_test

import (
	"fmt"
	"runtime"
	"testing"
)

// recorder is a testing.TB that notes how a helper ended it.
type recorder struct {
	testing.TB
	outcome, message string
}

func (r *recorder) Skip(args ...any) {
	r.outcome, r.message = "skipped", fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.outcome, r.message = "failed", fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }
