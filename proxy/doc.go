// Package proxy carries one connection from accept to close: it finds out who
// the client is and which destination it wants, looks at its TLS ClientHello, and
// then passes the bytes untouched, lifts the connection to newer TLS, or refuses
// it in the client's own protocol.
//
// It never decrypts what could have reached the destination by itself, never
// reaches a destination that the policy does not allow, and never keeps
// anything of the content.
//
// The order of events is in handle.go. Each step is in a file of its own, and the
// larger ones are packages:
//
//	identify.go     who the client is: the PROXY header (proxy/proxyheader)
//	                whether it may connect: networks and limits (proxy/admission)
//	destination.go  where it wants to go, if that is allowed
//	                (proxy/httpproxy, proxy/origdst, proxy/policy)
//	                what is said before TLS (proxy/mail, proxy/greeting)
//	hello.go        its ClientHello (proxy/clienthello)
//	                pass, lift or refuse (proxy/decide)
//	dial.go         the connection to the destination (proxy/upstream)
//	pass.go         the first outcome (proxy/relay)
//	lift.go         the second outcome (proxy/turns, proxy/clienttls, proxy/relay,
//	                proxy/dialogue)
//	refuse.go       the third outcome
//
// What happened is in one record (proxy/record), which feeds the log, the metrics
// and the status page.
package proxy
