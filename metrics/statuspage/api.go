package statuspage

import (
	"bytes"
	"encoding/json"
	"net/http"
	"unicode/utf16"

	"github.com/tlslift/tlslift/metrics/inventory"
)

// A Client is a client in the API.
type Client struct {
	inventory.Client
	// Failing and Legacy are what the methods of these names say.
	Failing bool `json:"failing"`
	Legacy  bool `json:"legacy"`
}

// A Clients is the answer of /api/v1/clients.
type Clients struct {
	Clients []Client `json:"clients"`
}

// A Connections is the answer of /api/v1/connections.
type Connections struct {
	// Started tells one run of tlslift from the next: numbers begin anew.
	Started string `json:"started"`
	// Last is the greatest number that the reader has now seen.
	Last        uint64                 `json:"last"`
	Connections []inventory.Connection `json:"connections"`
}

func (s *site) routeAPI(mux *http.ServeMux) {
	mux.HandleFunc("/api/v1/clients", s.serveClients)
	mux.HandleFunc("/api/v1/clients.csv", s.serveCSV)
	mux.HandleFunc("/api/v1/clients/{client}", s.serveClientJSON)
	mux.HandleFunc("/api/v1/connections", s.serveConnections)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		apiError(w, http.StatusNotFound, "there is no such thing here; see /api/v1/clients and /api/v1/connections")
	})
}

func apiClient(c inventory.Client) Client {
	return Client{Client: c, Failing: c.Failing(), Legacy: c.Legacy()}
}

// serveClients takes the same query as the status page, and has no pages.
func (s *site) serveClients(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		apiError(w, http.StatusBadRequest, err.Error())
		return
	}
	found := q.selected(s.Inventory.Snapshot())
	answer := Clients{Clients: make([]Client, len(found))}
	for i, c := range found {
		answer.Clients[i] = apiClient(c)
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *site) serveClientJSON(w http.ResponseWriter, r *http.Request) {
	c, ok := s.Inventory.Client(r.PathValue("client"))
	if !ok {
		apiError(w, http.StatusNotFound, "no client of this name is known; /api/v1/clients has them all")
		return
	}
	writeJSON(w, http.StatusOK, apiClient(c))
}

func apiError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"error": text})
}

// writeJSON writes plain ASCII, so that the answer does no harm on a terminal
// either.
func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(inASCII(text), '\n')) // an error means that the peer has gone
}

// inASCII escapes what is not ASCII in a JSON text (RFC 8259 section 7). Outside
// of strings there is nothing of it.
func inASCII(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r < 0x7f:
			b.WriteRune(r)
		case r < 0x10000:
			writeUnit(&b, r)
		default:
			high, low := utf16.EncodeRune(r)
			writeUnit(&b, high)
			writeUnit(&b, low)
		}
	}
	return b.Bytes()
}

func writeUnit(b *bytes.Buffer, unit rune) {
	const digits = "0123456789abcdef"
	b.WriteString(`\u`)
	for shift := 12; shift >= 0; shift -= 4 {
		b.WriteByte(digits[unit>>shift&0xf])
	}
}
