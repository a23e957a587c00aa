package m365

// The lists that the table is held to, and new lists with it.
func MicrosoftDomains() []string   { return microsoftDomains }
func RentedDomains() []string      { return rentedDomains }
func CertificateDomains() []string { return certificateDomains }
