package fakeentra

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
)

// A web is what answers the requests to a server.
type web struct{ *Server }

// knows reports whether a path names the tenant; if not, the request is answered.
func (s web) knows(w http.ResponseWriter, r *http.Request) bool {
	tenant := r.PathValue("tenant")
	if strings.EqualFold(tenant, s.options.Tenant) || strings.EqualFold(tenant, s.options.TenantID) {
		return true
	}
	s.refuse(w, codeTenantUnknown)
	return false
}

func (s web) base() string { return "https://" + s.options.Host + "/" }

// endpoint returns the URL that client assertions are for.
func (s web) endpoint() string { return s.base() + s.options.TenantID + "/oauth2/v2.0/token" }

func (s web) instance(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": s.base() + s.options.TenantID + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": s.options.Host, "preferred_cache": s.options.Host, "aliases": []string{s.options.Host},
		}},
	})
}

func (s web) configuration(w http.ResponseWriter, r *http.Request) {
	if !s.knows(w, r) {
		return
	}
	of := s.base() + s.options.TenantID
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                of + "/v2.0",
		"authorization_endpoint":                of + "/oauth2/v2.0/authorize",
		"token_endpoint":                        s.endpoint(),
		"device_authorization_endpoint":         of + "/oauth2/v2.0/devicecode",
		"jwks_uri":                              of + "/discovery/v2.0/keys",
		"tenant_region_scope":                   "EU",
		"response_types_supported":              []string{"code"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (s web) publicKeys(w http.ResponseWriter, r *http.Request) {
	if !s.knows(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]any, 0, len(s.keys))
	for _, key := range s.keys {
		keys = append(keys, map[string]any{
			"kty": "RSA", "use": "sig", "kid": keyID(&key.PublicKey),
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		})
	}
	answer(w, http.StatusOK, map[string]any{"keys": keys})
}

func answer(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content) // a client that went away needs no answer
}
