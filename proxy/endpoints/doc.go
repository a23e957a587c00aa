// Package endpoints keeps the list of Microsoft 365's hosts current: it asks
// Microsoft's endpoints web service what has changed, at most hourly, and
// hands a new list to whoever reads it. It never reads a list itself, never
// follows a redirect, and sends nothing but a random number of its own.
//
// # What is asked, and when
//
// First the version, a few bytes; the list only if that is newer than the one
// in force and the one built in. Between two questions pass at least an hour
// and at most an hour and twelve minutes, so that many installations spread.
// When the service says that it is asked too much (429, or 503 with
// Retry-After), it is left alone for as long as it wants: at least an hour, at
// most a day. The time of the next question is kept in the state, so that
// restarts do not ask more often.
//
// A list that is rejected leaves the old one in force. It is not asked for
// again until there is another version, or a day has passed: what was wrong
// may have been on the way.
//
// See https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-ip-web-service
package endpoints
