// Package clientseries has the Prometheus series of single clients in little memory, and
// writes them as text. With thousands of clients, each with dozens of series, they are
// nearly all that tlslift shows to Prometheus.
//
// It refuses to know what the series mean. Which there are, and how many a client may
// have, is up to package metrics.
package clientseries
