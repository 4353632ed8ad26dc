package couchtest

import "net/http"

// apiError is what CouchDB answers instead of a result, for a whole request or
// for one row of _bulk_docs.
type apiError struct {
	status int
	name   string
	reason string
}

func (e *apiError) Error() string { return e.name + ": " + e.reason }

var (
	errNoDB       = &apiError{http.StatusNotFound, "not_found", "Database does not exist."}
	errMissing    = &apiError{http.StatusNotFound, "not_found", "missing"}
	errDeleted    = &apiError{http.StatusNotFound, "not_found", "deleted"}
	errConflict   = &apiError{http.StatusConflict, "conflict", "Document update conflict."}
	errBadRev     = badRequest("Invalid rev format")
	errInvalid    = badRequest("invalid UTF-8 JSON")
	errNotObject  = badRequest("Request body must be a JSON object")
	errBadCType   = &apiError{http.StatusUnsupportedMediaType, "bad_content_type", "Content-Type must be application/json"}
	errFileExists = &apiError{http.StatusPreconditionFailed, "file_exists", "The database could not be created, the file already exists."}
	errNoAtt      = &apiError{http.StatusNotFound, "not_found", "Document is missing attachment"}
)

func badRequest(reason string) *apiError {
	return &apiError{http.StatusBadRequest, "bad_request", reason}
}

func illegalID(reason string) *apiError {
	return &apiError{http.StatusBadRequest, "illegal_docid", reason}
}

func badDocument(reason string) *apiError {
	return &apiError{http.StatusBadRequest, "doc_validation", reason}
}

func missingStub(id, name string) *apiError {
	return &apiError{http.StatusPreconditionFailed, "missing_stub", "Invalid attachment stub in " + id + " for " + name}
}

func forbidden(reason string) *apiError {
	return &apiError{http.StatusForbidden, "forbidden", reason}
}

func unauthorized(reason string) *apiError {
	return &apiError{http.StatusUnauthorized, "unauthorized", reason}
}

func notAllowed(methods string) *apiError {
	return &apiError{http.StatusMethodNotAllowed, "method_not_allowed", "Only " + methods + " allowed"}
}
