// Package splice moves bytes from one TCP connection to another: many of them inside the
// kernel, few through a small buffer.
//
// It keeps neither a pipe nor a buffer while it waits, and closes no connection.
package splice
