package statuspage

import (
	"net/http"
	"time"

	"github.com/tlslift/tlslift/metrics/inventory"
	"github.com/tlslift/tlslift/metrics/summary"
)

// A Client is a client in the API.
type Client struct {
	inventory.Client
	// State is that of the status page: failing, was_failing, lifted, passed or idle.
	State string `json:"state"`
	// Failing, Legacy and Silent are the results of the methods of these names.
	Failing bool `json:"failing"`
	Legacy  bool `json:"legacy"`
	Silent  bool `json:"silent"`
	// Model and Note are those of the clients file.
	Model string `json:"model,omitempty"`
	Note  string `json:"note,omitempty"`
}

// A Clients is the answer of /api/v1/clients.
type Clients struct {
	Clients []Client `json:"clients"`
}

// A Connections is the answer of /api/v1/connections.
type Connections struct {
	// Started identifies the run of tlslift: after a restart, numbers begin again.
	Started string `json:"started"`
	// Last is the greatest number that the reader now has.
	Last        uint64                 `json:"last"`
	Connections []inventory.Connection `json:"connections"`
}

// ClientsPath is where a client is in the API, under its name or address.
const ClientsPath = "/api/v1/clients/"

// A Forgotten is the answer of DELETE.
type Forgotten struct {
	Forgotten string `json:"forgotten"`
}

func (s *site) routeAPI(mux *http.ServeMux) {
	s.limited(mux, "/api/v1/clients", s.serveClients)
	s.limited(mux, ClientsPath+"{client}", s.serveClientJSON)
	s.limited(mux, "DELETE "+ClientsPath+"{client}", s.forgetClient)
	mux.HandleFunc("/api/v1/connections", s.serveConnections)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		apiError(w, http.StatusNotFound, "not found; the API has /api/v1/clients and /api/v1/connections")
	})
}

func apiClient(s *site, c inventory.Client, now time.Time) Client {
	about := s.Describe(c.Name)
	return Client{
		Client: c, State: summary.StateOf(&c, now).Text(), Failing: c.Failing(now), Legacy: c.Legacy(), Silent: c.Silent(now),
		Model: about.Model, Note: about.Note,
	}
}

// serveClients has the same query as the status page, and answers with all clients
// at once.
func (s *site) serveClients(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	q, err := parseQuery(r.URL.Query(), now)
	if err != nil {
		apiError(w, http.StatusBadRequest, err.Error())
		return
	}
	found := q.selected(s.Inventory.Snapshot(), s.Describe)
	answer := Clients{Clients: make([]Client, len(found))}
	for i, c := range found {
		answer.Clients[i] = apiClient(s, c, now)
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *site) serveClientJSON(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("client")
	c, ok := s.Inventory.Client(key)
	if !ok {
		apiError(w, http.StatusNotFound, inventory.NoSuchClient(key, s.Inventory.Snapshot()))
		return
	}
	writeJSON(w, http.StatusOK, apiClient(s, c, time.Now()))
}

// forgetClient removes a client until it connects again.
func (s *site) forgetClient(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("client")
	switch {
	case s.Forget == nil:
		apiError(w, http.StatusNotImplemented, "clients cannot be forgotten here")
	case !s.Forget(key):
		apiError(w, http.StatusNotFound, inventory.NoSuchClient(key, s.Inventory.Snapshot()))
	default:
		writeJSON(w, http.StatusOK, Forgotten{Forgotten: key})
	}
}
