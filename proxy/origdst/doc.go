// Package origdst asks the kernel where a redirected connection was going, and
// sets the socket options without which nothing could be redirected. All of it
// is of Linux; on other systems every function returns ErrUnsupported.
//
// It decides nothing: whether the original destination may be reached is not
// its business, and it never changes a firewall.
package origdst

import "errors"

// ErrUnsupported says that the system is not Linux.
var ErrUnsupported = errors.New("redirected connections need Linux")

// ErrNotRedirected says that the kernel has no original destination for a
// connection: nobody has redirected it.
var ErrNotRedirected = errors.New("the connection has not been redirected on this machine")
