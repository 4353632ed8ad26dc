// Package resolver runs the functions that people write to resolve conflicts:
// couchmend.Resolver in Starlark, in Python, and in any other program.
//
//	Starlark  in this process, in a hermetic interpreter: starlark*.go
//	Python    in worker processes of real CPython: python*.go
//	any other in processes that read and write lines of JSON: exec*.go, process*.go
//
// Whatever the language, a function that fails, loops, takes too much or
// returns nonsense costs its document an attempt, and nothing else: the error
// is a *couchmend.ResolverError that says what happened.
package resolver
