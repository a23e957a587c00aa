// Package legacytls is the server's side of TLS 1.0 (RFC 2246), TLS 1.1 (RFC
// 4346), and TLS 1.2 (RFC 5246), for clients that have nothing newer. It is no
// library for new programs, and it has no client.
//
// # Why it exists
//
// crypto/tls has no ClientHello in SSLv2 format, no DHE, no RC4-MD5 or DES, no
// resumption by session ID, no max_fragment_length, no ECDHE for a client that
// names no groups, and no SHA-1 signatures at TLS 1.2. It refuses empty and dotted
// server names, other harmless mistakes, and compressed points beside RSA, ends a
// connection whose client wants to renegotiate, and always splits records at TLS
// 1.0.
//
// # What it does
//
//   - ClientHellos in TLS records of any size and in SSLv2 format; RSA, ECDHE_RSA,
//     ECDHE_ECDSA (P-256, X25519, P-384, P-521; certificates on P-256) and, last,
//     DHE_RSA (1024 or 2048 bits);
//     AES-CBC, 3DES; at TLS 1.2 AES-GCM, ChaCha20-Poly1305, HMAC-SHA256 and
//     HMAC-SHA384, too; RC4 and DES where they are switched on.
//   - Resumption by session ID and by ticket (RFC 5077), for a day, for the same
//     Config.Binding and server name.
//   - Encrypt-then-MAC (RFC 7366), extended master secret (RFC 7627), the
//     indication of secure renegotiation (RFC 5746), TLS_FALLBACK_SCSV (RFC 7507),
//     the downgrade sentinel (RFC 8446 section 4.1.3), max_fragment_length (RFC 6066),
//     ALPN (RFC 7301).
//
// # What it refuses
//
// SSL 2.0 and 3.0, compression, renegotiation (by a warning, and the connection
// goes on), export, NULL and anonymous suites, certificates of clients, keys
// other than RSA and ECDSA on P-256, and whatever breaks a rule that no known device breaks. An
// end without close_notify is ErrNoCloseNotify.
//
// # What its times tell
//
// Signatures are those of the key that the caller gives: crypto/ecdsa takes constant time
// on P-256.
//
// What is wrong with a record or a premaster secret is told by one alert, the
// same to the byte. timing_test.go looks for a difference in time by Welch's
// test, over two classes of input in random order; |t| above 4.5 is one. With Go
// 1.26.8, the slowest tenth left out, on two cores that were busy otherwise, of an
// Intel Xeon for the first table and of an AMD EPYC for the second:
//
//	records of 320 bytes, a million of them        SHA-1   SHA-256   SHA-384
//	wrong padding, or a wrong MAC                   -0.6      -0.6      -0.9
//	wrong padding, or a wrong MAC and 250 bytes      1.7       0.5      -0.2
//	padding of 1 byte, or of 256 bytes               1.4       0.9       0.1
//	a MAC that does not hide its length, 1 or 256  -5110     -4085     -5275
//
//	premaster secrets, RSA-2048, 100000 of them      t
//	good, or good                                     3.0
//	good, or of another block type                   -0.2
//	good, or of another version                      -1.5
//	good, or of another length                       -0.1
//
// The last row of the first table is there to be seen. With RSA, a difference of
// less than half a microsecond in 1.2 ms would not have been seen.
package legacytls
