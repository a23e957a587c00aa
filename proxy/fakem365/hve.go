package fakem365

import (
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// soon is how near the end of a token High Volume Email does not take it any more.
const soon = 10 * time.Minute

// openByTokenHVE is openByToken for High Volume Email, which says what is wrong with
// a token. The codes are Microsoft's, the texts are not.
func (s *smtpSession) openByTokenHVE(address, token string) error {
	o := &s.server.options
	claims, err := o.Tokens.Verify(token)
	account := o.Accounts.find(address)
	who := claims.User
	if who == "" {
		who = claims.Application
	}
	isWho := func(other string) bool { return strings.EqualFold(other, who) }
	switch {
	case token == "":
		return reply(501, smtp.EnhancedCode{5, 5, 124}, "User address provided is not valid")
	case err != nil:
		return reply(535, smtp.EnhancedCode{5, 7, 143}, "Authentication token has expired")
	case !slices.Contains(claims.Permissions, "Mail.Send") || claims.Audience != audiences[1]:
		return reply(535, smtp.EnhancedCode{5, 7, 144}, "Authentication token does not have the required permission")
	case time.Until(claims.Expires) < soon:
		return reply(535, smtp.EnhancedCode{5, 7, 142}, "Authentication token expires soon")
	case account == nil:
		return s.unsuccessful()
	case !isWho(account.Address) && !slices.ContainsFunc(account.Delegates, isWho):
		return reply(550, smtp.EnhancedCode{5, 7, 240}, "Application is not allowed to send for this account")
	}
	return s.enter(account)
}
