package record

import "fmt"

// A Failure is an error with a reason: why a connection did not do what its
// client wanted.
type Failure struct {
	Reason Reason
	Err    error // the detail; nil if there is none
	// Replied means that the client has had its answer.
	Replied bool
	// Reply is the destination's own reply, for the client to read; nil if there
	// is none.
	Reply []byte
	// Alert is the description of the TLS alert, and HTTP the status of the HTTP
	// answer, that says it better than that of the reason; zero if there is none.
	Alert uint8
	HTTP  int
}

// Fail returns a failure with a detail, which may be nil.
func Fail(r Reason, err error) *Failure { return &Failure{Reason: r, Err: err} }

// Error returns the reason and its detail.
func (f *Failure) Error() string {
	if f.Err == nil {
		return string(f.Reason)
	}
	return fmt.Sprintf("%s: %v", f.Reason, f.Err)
}

// Unwrap returns the detail.
func (f *Failure) Unwrap() error { return f.Err }
