// Package proxy carries one connection from accept to close: it finds out who
// the client is and where it wants to go, looks at its TLS ClientHello, and
// then passes the bytes untouched, lifts the connection to newer TLS, or
// refuses it in the client's own protocol.
//
// It never decrypts what could have reached the destination by itself, never
// reaches a destination that the policy does not allow, and never keeps
// anything of the content.
//
// The order of events is in handle.go; the rule that passes or lifts is the
// pure function Decide in decide.go.
package proxy
