// Package smtptext recognises what is in the text of SMTP: the end of a mail's content,
// the address of MAIL and RCPT, and the replies of Microsoft 365 whose cause is known. It
// keeps nothing of the text.
package smtptext
