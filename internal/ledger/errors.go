package ledger

import (
	"context"
	"errors"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors that callers look for with errors.Is.
var (
	ErrFull  = errors.New("the work queue is full")
	ErrHeld  = errors.New("somebody else holds the lease")
	ErrStale = errors.New("somebody else moved the checkpoint")
)

var (
	errInterrupted = errors.New("the connection to NATS was interrupted: work may be lost")
	errForgotten   = errors.New("the journal has no such entry, or no longer: it remembers as long as its undo horizon")
)

// JetStream's codes for what the client library has no names for.
const (
	codeResourcesExceeded = 10023
	codeMemoryExceeded    = 10028
	codeStorageExceeded   = 10047
	codeStoreFailed       = 10077 // the words say why
)

func fail(op string, kind couchmend.Kind, err error) error {
	return &couchmend.Error{Op: op, Kind: kind, Err: err}
}

// wrap says what was being done and which kind of failure err is.
func wrap(op string, err error) error {
	var known *couchmend.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return fail(op, kindOf(err), err)
}

// wrapDB and wrapDoc are wrap for what concerns one database or document.
func wrapDB(op, db string, err error) error { return wrapDoc(op, db, "", err) }

func wrapDoc(op, db, id string, err error) error {
	if err == nil {
		return nil
	}
	kind := couchmend.KindOf(err)
	if kind == couchmend.KindOther {
		kind = kindOf(err)
	}
	return &couchmend.Error{Op: op, DB: db, ID: id, Kind: kind, Err: err}
}

func kindOf(err error) couchmend.Kind {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && isFull(api):
		return couchmend.KindFull
	case errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, nats.ErrTimeout),
		errors.Is(err, nats.ErrNoResponders),
		errors.Is(err, nats.ErrConnectionClosed),
		errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, errInterrupted),
		errors.Is(err, jetstream.ErrNoStreamResponse):
		return couchmend.KindUnreachable
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrPermissionViolation):
		return couchmend.KindAuth
	default:
		return couchmend.KindOther
	}
}

func isFull(api *jetstream.APIError) bool {
	switch api.ErrorCode {
	case codeResourcesExceeded, codeMemoryExceeded, codeStorageExceeded:
		return true
	case codeStoreFailed:
		return strings.Contains(api.Description, "maximum bytes") || strings.Contains(api.Description, "no space left")
	default:
		return false
	}
}

func isQueueFull(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeStoreFailed && strings.Contains(api.Description, "maximum messages")
}

// isMoved says that a compare-and-set met another value than it expected.
func isMoved(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
