package fakem365

import "time"

// Claims are what a token says that was verified.
type Claims struct {
	// Audience is the resource that it is for, for example https://outlook.office365.com.
	Audience string
	// Application is the application that got it.
	Application string
	// User is who signed in; empty when the application did for itself.
	User string
	// Permissions are its roles and scopes, for example SMTP.SendAsApp and SMTP.Send.
	Permissions []string
	Expires     time.Time
}

// Tokens verifies tokens: it checks the signature, the time and the tenant, and
// that the token was not revoked.
type Tokens interface {
	Verify(token string) (Claims, error)
}
