// Package standby waits for bytes on TCP connections: without a buffer, and, when none have
// come for a while, without a goroutine for each of them.
//
// It never keeps a byte, closes no connection, and knows nothing of deadlines: who waits here
// ends the wait.
package standby

import "os"

// ErrNothing is the error of Reader.Read: there is nothing to read yet, and no buffer should
// be held until there is. It is like that of a deadline, after which every TLS stack may be
// read from again.
var ErrNothing error = nothing{}

// A nothing implements net.Error.
type nothing struct{}

func (nothing) Error() string { return "there is nothing to read yet" }

// Timeout reports true: more may come.
func (nothing) Timeout() bool { return true }

// Temporary reports true. crypto/tls asks for that.
func (nothing) Temporary() bool { return true }

// Is makes it a deadline that has passed.
func (nothing) Is(target error) bool { return target == os.ErrDeadlineExceeded }
