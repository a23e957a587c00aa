// Package record has the words for what happened to a connection: its record,
// its outcome, the rule that decided, and the reason for which it was refused,
// failed or broke off. The log, the metrics, the status page and the answers to
// clients read them here and nowhere else.
//
// It is a leaf: it imports nothing of ours, opens nothing and decides nothing. It
// holds nothing of the content of a connection, and no credentials.
package record
