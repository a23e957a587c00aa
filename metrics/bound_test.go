package metrics

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tlslift/tlslift/proxy/record"
)

// address returns the i-th address of a large network.
func address(i int) netip.Addr {
	a := [4]byte{10}
	binary.BigEndian.PutUint16(a[2:], uint16(i))
	return netip.AddrFrom4(a)
}

// each calls do(0) to do(n-1) from several goroutines at once.
func each(n int, do func(i int)) {
	const workers = 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				do(i)
			}
		})
	}
	wg.Wait()
}

// sum adds up a counter's series and says how many values a label has in them.
func sum(t *testing.T, g prometheus.Gatherer, id metric, labelName string) (total, distinct int) {
	t.Helper()
	rows, err := rowsOf(g, id)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, row := range rows {
		seen[row[slices.Index(definitions[id].labels, labelName)]] = true
		total += atoi(t, row[len(row)-1])
	}
	return total, len(seen)
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestManyClientsStayBoundedAndCounted(t *testing.T) {
	t.Parallel()
	const (
		clients = 10_000
		rounds  = 2
		limit   = 100
	)
	m := New(Options{MaxClients: limit})
	each(clients*rounds, func(i int) {
		observe(m, &record.Record{
			Listener: proxyListener, Client: address(i % clients), Start: time.Now(), Protocol: "tls",
			OfferedVersion: fmt.Sprintf("0x%04x", i), Outcome: record.OutcomeLifted,
			Destination: fmt.Sprintf("tenant%d.sharepoint.com:443", i),
			ClientTLS:   &record.Handshake{Version: "TLS 1.0", CipherSuite: fmt.Sprintf("0x%04x", i)},
			UpstreamTLS: &record.Handshake{Version: "TLS 1.2", CipherSuite: "TLS_AES_128_GCM_SHA256"},
			// One byte each, so that the sum is the number of connections.
			BytesFromClient: 1,
		})
	})
	for _, tc := range []struct {
		id          metric
		label       string
		maxDistinct int
	}{
		{clientConnectionsTotal, "client", limit + 1},
		{clientConnectionsTotal, "tls_version", 1},
		{clientHandshakesTotal, "client", limit + 1},
		{clientHandshakesTotal, "cipher_suite", maxCipherSuites + 1},
		{clientBytesTotal, "client", limit + 1},
		{upstreamHandshakesTotal, "destination", maxDestinations + 1},
	} {
		total, distinct := sum(t, m.Gatherer(), tc.id, tc.label)
		if total != clients*rounds {
			t.Errorf("%s adds up to %d, want %d", definitions[tc.id].name, total, clients*rounds)
		}
		if distinct > tc.maxDistinct {
			t.Errorf("%s has %d values of %s, want at most %d", definitions[tc.id].name, distinct, tc.label, tc.maxDistinct)
		}
	}
	if got := series(t, m, "tlslift_clients_tracked"); got != strconv.Itoa(limit) {
		t.Errorf("%s clients tracked, want %d", got, limit)
	}
	inOther := series(t, m, `tlslift_client_connections_total{client="other",outcome="lifted",protocol="tls",tls_version="unknown"}`)
	if got := atoi(t, series(t, m, "tlslift_clients_overflowed_total")); got != atoi(t, inOther) || got != (clients-limit)*rounds {
		t.Errorf("%d connections overflowed, %s are in other, want %d", got, inOther, (clients-limit)*rounds)
	}
	if got := series(t, m, `tlslift_connections_active{listener="`+proxyListener+`"}`); got != "0" {
		t.Errorf("%s connections active, want 0", got)
	}
}

func TestUntrustedClientsLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	m := New(Options{MaxClients: 50})
	for i := range 1000 {
		observe(m, &record.Record{
			Client: address(i), Start: start, Outcome: record.OutcomeRefused, Reason: record.ReasonClientNotAllowed,
		})
	}
	if _, untrusted := sum(t, m.Gatherer(), clientFailuresTotal, "client"); untrusted != 5+1 {
		t.Errorf("%d untrusted clients have series, want 5 and other", untrusted)
	}
	observe(m, &record.Record{Client: address(2000), Start: start, Outcome: record.OutcomeLifted})
	want := `tlslift_client_connections_total{client="10.0.7.208",outcome="lifted",protocol="unknown",tls_version="none"}`
	if got := series(t, m, want); got != "1" {
		t.Errorf("a client after the untrusted ones is counted %s times, want 1", got)
	}
}

func TestInventedDestinationsLeaveRoomForReal(t *testing.T) {
	t.Parallel()
	m := New(Options{})
	for i := range 1000 {
		observe(m, &record.Record{
			Destination: fmt.Sprintf("invented%d.sharepoint.com:443", i), Start: start,
			Outcome: record.OutcomeFailed, Reason: record.ReasonNameNotFound,
		})
	}
	if total, distinct := sum(t, m.Gatherer(), upstreamFailuresTotal, "destination"); total != 1000 || distinct != maxDestinations/2+1 {
		t.Errorf("%d failures of %d destinations, want 1000 of %d", total, distinct, maxDestinations/2+1)
	}
	observe(m, &record.Record{
		Destination: "smtp.office365.com:587", Start: start, Outcome: record.OutcomeLifted,
		UpstreamTLS: &record.Handshake{Version: "TLS 1.2", CipherSuite: "TLS_AES_128_GCM_SHA256"},
	})
	want := `tlslift_upstream_handshakes_total{cipher_suite="TLS_AES_128_GCM_SHA256",destination="smtp.office365.com:587",` +
		`resumed="false",tls_version="TLS 1.2"}`
	if got := series(t, m, want); got != "1" {
		t.Errorf("a real destination after the invented is counted %s times, want 1", got)
	}
}
