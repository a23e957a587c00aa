package fakeentra

import (
	"fmt"
	"net/http"
)

// The codes that the fake Entra itself refuses with.
const (
	codeTenantUnknown      = 90002
	codeApplicationUnknown = 700016
	codeSecretWrong        = 7000215
	codeSecretExpired      = 7000222
	codeCredentialMissing  = 7000218
	codeCertificateUnknown = 700027
	codeAssertionTime      = 700024
	codeFederatedUnknown   = 700213
	codeScopeInvalid       = 70011
	codeResourceUnknown    = 500011
	codeConsentMissing     = 65001
	codeGrantUnknown       = 70003
	codeRefreshExpired     = 700082
	codeRefreshRevoked     = 50173
	codePending            = 70016
	codeSlowDown           = 70018
	codeDeclined           = 70017
	codeCodeExpired        = 70020
	codeCodeUnknown        = 70019
)

// refusals are the names and texts of codes. One that is not here is an
// invalid_grant.
var refusals = map[int]struct{ name, text string }{
	codeTenantUnknown:      {"invalid_tenant", "Tenant 'x' not found. Check to make sure you have the correct tenant ID."},
	900023:                 {"invalid_request", "Specified tenant identifier 'x' is neither a valid DNS name, nor a valid external domain."},
	codeApplicationUnknown: {"unauthorized_client", "Application with identifier 'x' was not found in the directory 'Contoso'."},
	codeSecretWrong: {"invalid_client", "Invalid client secret provided. Ensure the secret being sent in the request is the " +
		"client secret value, not the client secret ID."},
	codeSecretExpired:      {"invalid_client", "The provided client secret keys for app 'x' are expired."},
	codeCredentialMissing:  {"invalid_client", "The request body must contain: 'client_assertion' or 'client_secret'."},
	codeCertificateUnknown: {"invalid_client", "The certificate used to sign the client assertion is not registered on application."},
	codeAssertionTime:      {"invalid_client", "Client assertion is not within its valid time range."},
	codeFederatedUnknown:   {"invalid_client", "No matching federated identity record found for presented assertion subject."},
	codeScopeInvalid:       {"invalid_scope", "The provided value for the input parameter 'scope' is not valid."},
	codeResourceUnknown:    {"invalid_resource", "The resource principal was not found in the tenant."},
	codeConsentMissing:     {"invalid_grant", "The user or administrator has not consented to use the application."},
	codeGrantUnknown:       {"unsupported_grant_type", "The app requested an unsupported grant type."},
	codeRefreshExpired:     {"invalid_grant", "The refresh token has expired due to inactivity."},
	codeRefreshRevoked:     {"invalid_grant", "The provided grant has expired due to it being revoked, a fresh auth token is needed."},
	70008:                  {"invalid_grant", "The provided authorization code or refresh token has expired due to inactivity."},
	50076:                  {"interaction_required", "Due to a configuration change, you must use multi-factor authentication."},
	50079:                  {"interaction_required", "The user is required to use multi-factor authentication."},
	53000:                  {"interaction_required", "Device is not in required device state."},
	53003:                  {"interaction_required", "Access has been blocked by Conditional Access policies."},
	codePending:            {"authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."},
	codeSlowDown:           {"slow_down", "OAuth 2.0 device flow error. The client is polling too frequently."},
	codeDeclined:           {"authorization_declined", "The end user denied the authorization request."},
	codeCodeExpired:        {"expired_token", "The provided device code has expired."},
	codeCodeUnknown:        {"bad_verification_code", "The verification code is not known."},
}

// refuse answers with an AADSTS code, in Microsoft's form.
func (s web) refuse(w http.ResponseWriter, code int) {
	known, ok := refusals[code]
	if !ok {
		known.name, known.text = "invalid_grant", "Something else is wrong."
	}
	status := http.StatusBadRequest
	if known.name == "invalid_client" {
		status = http.StatusUnauthorized
	}
	const trace, correlation = "0f7a9c3e-5b1d-4e2a-9c8f-3d6b7a5e1f00", "6e1d2c3b-4a59-4687-9786-a5b4c3d2e1f0"
	at := s.now().UTC().Format("2006-01-02 15:04:05Z")
	answer(w, status, map[string]any{
		"error": known.name,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			code, known.text, trace, correlation, at),
		"error_codes": []int{code}, "timestamp": at, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("%serror?code=%d", s.base(), code),
	})
}
