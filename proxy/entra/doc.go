// Package entra gets the tokens that the sign-in at Exchange Online needs from
// Microsoft Entra ID, by Microsoft's own library: for an application, by its secret,
// certificate, federated token or managed identity, and for a person who has signed
// in once with a device code.
//
// Tokens are kept in memory, and renewed ahead of their end while the old one still
// serves. Of the callers that want the same token, one request serves all. Entra is
// not asked again before the time that it names, and after a failure not before a
// short while.
//
// It decides nothing about who may use a mailbox, and it never shows a token, a
// secret or an assertion: errors are made of codes and names, and not of what
// Entra or the library says.
package entra
