package record

// A Rule names what decided to pass, to lift or to refuse a connection. The set is
// closed. The zero value means that nothing was decided.
type Rule string

// The rules.
const (
	RuleCapable             Rule = "capable"
	RuleHelloFormat         Rule = "hello_format"
	RuleTLSVersion          Rule = "tls_version"
	RuleCipherSuites        Rule = "cipher_suites"
	RuleSignatureAlgorithms Rule = "signature_algorithms"
	RuleGroups              Rule = "groups"
	RuleDestinationRefused  Rule = "destination_refused"
	RuleTLSModeMismatch     Rule = "tls_mode_mismatch"
	RuleSignIn              Rule = "sign_in"
	RuleServerName          Rule = "server_name"
	RulePlaintext           Rule = "plaintext"
	RuleBypass              Rule = "bypass"
)

// rules is the one table of rules, in the order in which they are looked at.
var rules = []struct {
	rule    Rule
	meaning string // completes "the client was passed, lifted or refused because …"
	needs   string // what a client must have for the rule not to apply; empty if there is nothing
}{
	{RuleCapable, "it offers everything that Microsoft 365 asks for", ""},
	{RuleHelloFormat, "it begins with a ClientHello in SSLv2 format", "a TLS ClientHello, not one in SSLv2 format"},
	{RuleTLSVersion, "it does not offer TLS 1.2 or newer", "TLS 1.2 or 1.3"},
	{
		RuleCipherSuites, "it offers no ECDHE cipher suite that Microsoft 365 accepts",
		"ECDHE with an RSA certificate and AES-GCM, or AES-CBC with SHA-256 or SHA-384 (at TLS 1.3: any of its suites)",
	},
	{RuleSignatureAlgorithms, "it offers no RSA signature with SHA-256 or better", "RSA with SHA-256 or better"},
	{RuleGroups, "it offers no elliptic curve that Microsoft 365 accepts", "P-256, P-384, P-521 or X25519"},
	{RuleDestinationRefused, "the destination refused its ClientHello", "a ClientHello that the destination accepts"},
	{
		RuleTLSModeMismatch, "one side uses implicit TLS and the other STARTTLS (RFC 8314)",
		"the TLS mode of the destination",
	},
	{
		RuleSignIn, "tlslift signs in for it, because Microsoft 365 takes no password of it",
		"OAuth 2.0 (XOAUTH2) of its own",
	},
	{RuleServerName, "its server name (SNI) is not that of an allowed host", "the name of the destination as its server name, or none"},
	{RulePlaintext, "it uses no TLS and is allowed to", "TLS"},
	{RuleBypass, "its destination is out of scope, and the listener says unmatched=bypass", ""},
}

// Rules returns the whole closed set, in the order of the table.
func Rules() []Rule {
	all := make([]Rule, len(rules))
	for i := range rules {
		all[i] = rules[i].rule
	}
	return all
}

// Meaning returns why the client was passed, lifted or refused: it completes
// "because …". It is empty for a rule that does not exist.
func (r Rule) Meaning() string {
	for i := range rules {
		if rules[i].rule == r {
			return rules[i].meaning
		}
	}
	return ""
}

// Needs returns what a client must have for the rule not to apply to it; empty if
// there is no such thing.
func (r Rule) Needs() string {
	for i := range rules {
		if rules[i].rule == r {
			return rules[i].needs
		}
	}
	return ""
}
